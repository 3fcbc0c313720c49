# Pages

tagline = The notebook of the community digital teams
login-title = Log in
login-username = Username
login-password = Password
login-submit = Log in
login-wrong = The username or the password is wrong.
login-wait = Too many wrong passwords. Please try again in a minute.
logout = Log out
totals = In all
totals-records = assistances
totals-people = people helped
totals-retracted = taken back
totals-conflicts = { $n ->
    [one] conflict
   *[other] conflicts
 }
totals-late = phones not synced for 3 days
records = Assistances, newest first
records-none = There are no assistances.
records-older = Older ones →
record-sealed = personal data
record-conflict = conflict
record-retracted = taken back
filter-unit = Unit
filter-all = All
filter-from = From
filter-to = To
filter-retracted = State
filter-valid = Valid
filter-taken-back = Taken back
filter-submit = Filter
column-when = When
column-place = Hamlet, commune
column-what = What
column-channel = How
column-outcome = Outcome
column-people = People
column-satisfaction = Satisfaction
by-unit = By commune and hamlet
phones = Phones
phones-order = Those that have not synced for longest come first.
phone-never = never synced
phone-unsent = { $n ->
    [one] 1 record not sent
   *[other] { $number } records not sent
 }
phone-clock = clock is off by { $number } minutes
ago-minutes = { $n } min ago
ago-hours = { $n } h ago
ago-days = { $n } d ago

skip = To the content
navigation = Pages
language = Language
more = More →
yes = yes
no = no
value-none = (empty)
unit-gone = (unit no longer there)
way-overview = Overview
way-records = Assistances
way-conflicts = Conflicts
login-interrupted = The session is over. Log in again: what was typed is still there and is sent once you confirm it.
confirm-title = Send what was typed?
confirm-why = The form was opened in an earlier session. Nothing has been sent yet. Look at it again, then send it.
confirm-send = Send
confirm-drop = Do not send it; to the overview
problem-ours = Something failed on the server. No data is lost. Please try again; if it stays so, tell the administrator the number below.
problem-number = Number:
problem-home = To the overview
filter-category = Category
filter-outcome = Outcome
filter-clear = Clear
conflicts-about = Two people wrote different things without seeing each other’s. Both are kept until somebody chooses.
conflicts-none = There are no conflicts to settle.
conflict-shown = shown meanwhile
conflict-choose = Choose
done-settled = The value was chosen.
done-changed = The values have changed meanwhile. Please look again and choose.
field-category = Category
field-procedure = Procedure
field-channel = Channel
field-outcome = Outcome
field-people = People
field-minutes = Minutes
field-satisfaction = Satisfaction
field-occurred-at = Time
field-citizen-name = Citizen’s name
field-citizen-phone = Phone number
field-citizen-id = Identity number
field-note = Note
value-sealed = (sealed)
