# Pages of administration

way-phones = Phones
way-units = Units
way-accounts = Accounts
way-catalogue = Catalogue
way-audit = Audit
choose = Choose …
from-day = From
until-day = Until
admin-day-invalid = This is not a day between 1900 and 2200.
role-member = Member of the team
role-official = Official
role-leader = Leader
role-admin = Administrator
role-auditor = Auditor
login-reset = I have a one-time code

phones-all = phones
phones-state = In need of
phones-silent = silent for more than 7 days
phones-unsent = with records not sent
phones-clock = with a wrong clock
phones-full = with little room left
phones-silent-column = Over 7 days
phones-contact = Last contact
phones-pending = Not sent
phones-oldest = The oldest
phones-version = App
phones-clock-column = Clock
phones-storage = Room left
phones-none = No phone is enrolled here yet. Print a sheet of codes, and each team enrols its own.
phones-none-ask = No phone is enrolled here yet. Ask whoever administers the realm for a sheet of codes, and each team enrols its own.
phones-none-such = No phone is like that. Choose another unit, or clear the filter.
clock-right = right
clock-seconds = { $n } s
clock-minutes = { $n } min
clock-hours = { $n } h
clock-days = { $n } d

oneself-title = My account
account-name = Name
password-change = Change the password
password-old = Password in use
password-new = New password
password-again = New password once more
password-rule = At least 10 characters. Several words are easier to remember, and safer.
password-differs = The two new passwords differ.
reset-title = Set a password
reset-about = Whoever manages your account gives you the one-time code. It is good for a day and for one password.
reset-code = One-time code
reset-submit = Set the password
reset-done = The password was set. Now log in with it.
done-password = The password was changed. Everywhere else you were logged out.

accounts-search = Name or username
accounts-none = Nobody is like that. Add somebody below, or import a file.
accounts-import = Import accounts
account-new = New account
account-add = Add
account-title = Account
account-role = Role
account-roles = Roles
account-devices = Phones
account-no-role = no role
account-suspended = suspended
account-suspended-since = Suspended since
account-suspended-means = This person reads nothing; their phones only deliver, into quarantine.
account-beyond = This account holds a role beyond the units that you manage. Only who manages those can change it.
account-own = This is your own account. Nobody changes their own roles.
account-access = Access
account-access-about = A suspended account is out at once. Nothing that it recorded is lost, and a suspension can be taken back.
account-suspend = Suspend
account-resume = Take the suspension back
username-rule = Small letters, digits, dot, dash and underscore: lan.nguyen
post-incomplete = Choose a role and a unit.
personal-column = Citizens’ data
personal-read = Reads citizens’ data
personal-default = As the role has it
role-grant = Give a role
role-end = End
hand-over = Hand over
hand-over-about = Somebody else takes the post from that day on. Records keep their author.
hand-over-to = To (username)
hand-over-nobody = There is no such username.
reset-make = One-time code for a password
reset-code-title = One-time code
reset-code-for = One-time code for
reset-code-about = Give it to this person. “I have a one-time code” on the page for logging in leads to where the password is set:
code-until = Good until
code-once = Shown this once: it is stored nowhere in clear.
code-noted = I have noted it
done-added = Added.
done-granted = The role was given.
done-ended = Ended.
done-handed-over = The post was handed over.
done-suspended = The account is suspended.
done-resumed = The account can be used again.
done-already = That had been done already.
done-renamed = The phone has another name.
done-imported = Imported.
done-unit = Done. Phones learn of it with their next sync.
done-reformed = The reform was applied.

devices-none = No phone is enrolled yet. Make a code, and enrol one with it.
device-unnamed = Phone without a name
device-name = Name of the phone
device-rename = Rename
device-lost = It is lost
device-revoke = Revoke
device-replace = Replace by a new one
device-is-good = in use
device-is-lost = lost
device-is-revoked = revoked
device-copied = two copies were seen
device-is-returned = not known since a restore
device-returned-about = The store was restored without this phone. Until it is admitted, what it delivers waits in quarantine.
device-admit = Admit
done-admitted = The phone was admitted.
device-enrolled = enrolled
device-revoked-at = revoked
enrol-unit = For the team of
enrol-code = Code for a new phone
enrol-needs-role = Somebody without a role cannot enrol a phone: give a role first.
code-title = Enrolment code
code-for = Code for a phone of
code-picture = QR picture of the enrolment code
code-step-install = Install the Làng Số app and open it.
code-step-scan = Point the camera at the picture, or type the code.
code-step-wait = The phone fetches what belongs to its hamlet. From then on it also works without a signal.
code-replaces = When the code is used, the old phone is revoked. What it has not sent yet it can still deliver.
code-card = Open the Làng Số app and point the camera here. For one phone.
codes-title = Enrolment codes
codes-print = Print this page now (Ctrl+P): the codes are shown this once.
sheet-title = Sheet of codes
sheet-about = A code for every team that has no phone yet, on one sheet to print and cut.
sheet-look = Show
sheet-none = Every team here has a phone. To replace somebody’s, open their account and make a new code.
sheet-waiting = { $n ->
    [one] One team has no phone yet
   *[other] { $number } teams have no phone yet
 }
sheet-person = Code for
sheet-nobody = nobody holds a role here
sheet-make = { $n ->
    [one] Make one code
   *[other] Make { $number } codes
 }

file-choose = CSV file
file-paste = Or paste it here
file-look = Look at it
file-drop = Drop it
file-empty = Choose a file, or paste its text.
file-not-utf8 = The file is not UTF-8. In the spreadsheet choose “Save as”, then “CSV UTF-8”.
file-not-csv = This is not a CSV file with the columns { $columns }.
file-too-long = The file is too long: at most { $number } MB. Split it into several.
file-refused = Nothing was changed. These lines cannot be taken:
file-line = Line { $number }
file-lines = { $n ->
    [one] (one line)
   *[other] ({ $number } lines)
 }
people-about = One line for each role. A person with two roles has two lines; the same file again changes nothing.
people-columns = The unit is its official code. personal is yes, no or empty. Roles:
people-would = { $n ->
    [0] Nobody would be added; further roles may be.
    [one] One account would be added.
   *[other] { $number } accounts would be added.
 }
people-apply = Add them

catalogue-about = What records may say. Phones receive changes with their next sync.
catalogue-none = Nothing yet. Whoever administers the realm imports the catalogue from a CSV file.
catalogue-all = All
catalogue-differences = { $n ->
    [one] one entry
   *[other] { $number } entries
 }
catalogue-more = and { $number } more, as in the file.
catalogue-none-imports = No entry yet. Import the catalogue from a CSV file below.
catalogue-import = Import a file
catalogue-columns = A line with a known code gives it another name, weight or end. What is in no line stays as it is.
catalogue-would = This would change
catalogue-same = Everything is as the file says already.
catalogue-apply = Change it
catalogue-new = new
catalogue-kind = Kind
catalogue-code = Code
catalogue-name-vi = Vietnamese
catalogue-name-en = English
catalogue-parent = Category
catalogue-weight = Weight
kind-category = Categories
kind-procedure = Procedures
kind-channel = Channels
kind-outcome = Outcomes

units-on = The tree on
units-look = Show
units-see = See the unit
units-today = Today
units-none = There were no units on that day. Choose a later one.
levels-province = { $n ->
    [one] province
   *[other] provinces
 }
levels-district = { $n ->
    [one] district
   *[other] districts
 }
levels-commune = { $n ->
    [one] commune
   *[other] communes
 }
levels-hamlet = { $n ->
    [one] hamlet
   *[other] hamlets
 }
units-turns = Days on which units changed
unit-title = Unit
unit-code = Code
unit-name = Name
unit-level = Level
unit-above = Under
unit-below = Below
unit-history = History
unit-came-from = Inherited from
unit-went-into = Went into
unit-ended = This unit ended on
change-title = Change it
change-about = A decree holds from a day on; history is never edited. Records stay under the unit of their date.
change-on = From
change-rename = Rename
change-rename-about = Another name or another code. It stays the same unit.
change-move = Move
change-move-about = Another unit above it. What is below comes along.
change-move-other = New unit above
change-create = New unit below
change-create-about = A unit that was not there.
change-merge = Merge
change-merge-about = This unit ends. Records, boards, open directives and roles go to the other one.
change-merge-other = Into
change-merge-with = Together with
change-split = Split
change-split-about = This unit ends. The first of the new ones inherits from it and gets what is below.
change-parts = New units, one a line: code, space, name (a dash for no code)
change-abolish = Abolish
change-abolish-about = Only a unit with nothing below it can be abolished. Without an heir, roles in it end.
change-abolish-other = Who inherits
change-nobody = Nobody
change-needs-unit = Choose a unit.
change-needs-parts = Give at least two new units, one a line.
change-part = Each line is a code, a space and a name.
change-not-then = { $unit } does not exist on { $day }. Perhaps this was done already: look at the history.
change-later = Something is already known of { $unit } for a day after { $day }. History is not edited.
change-not-empty = There are units below { $unit }. Move them first.
change-code = Two units would have the code { $unit } on { $day }.
change-into-itself = A unit goes into another one, not into itself.
change-no-tree = What comes out is no tree: a unit would lie under itself, or under one that is no more.

reform-title = Reform from a file
reform-about = One line for each old unit. It is shown what would happen; nothing is changed before you say so.
reform-roles = Where roles of abolished units go: username,role,old_code,new_code
reform-skip = Pass over lines about units that are not ours
reform-would = On { $day } this would happen
reform-merged = units end
reform-kept = units stay
reform-abolished = units above them end
reform-followed = units below follow
reform-skipped = lines passed over
reform-records = Records
reform-directives = Directives
reform-roles-column = Roles
reform-from = Old unit
reform-to = New unit
reform-stay = Records stay under the unit of their date; the new unit inherits them, with open directives and roles.
reform-without = Accounts that are left without reach
reform-without-none = Nobody is left without reach.
reform-without-about = Say below, at “Where roles of abolished units go”, and look again.
reform-beyond = Something in the file, or what comes of it, is beyond the units that you manage. Whoever manages the unit above, or sits at the server’s console, can do it.
reform-apply = Apply the reform
reform-sure = I have looked at it: units, roles and directives change for everybody.

audit-act = What
audit-account = By (username)
audit-who = Who
audit-subject = About
audit-position = No.
audit-details = details
audit-before = Before
audit-after = After
audit-older = Older ones →
audit-none = Nothing was written down that is like that. Take away a part of the filter.
audit-head = End of the chain
audit-head-about = Keep this where the server’s administrators cannot write: with it one finds out later whether rows were cut off.
audit-console = server’s console
audit-nobody = nobody known
audit-device = phone of { $name }
audit-of-this = What was done to it
audit-by-this = What they did
audit-one-subject = Only what is about one thing is shown.
subject-units = units
subject-catalogue = catalogue
act-units-imported = Units imported
act-units-reformed = Reform applied
act-unit-changed = Unit changed
act-catalogue-imported = Catalogue imported
act-account-added = Account added
act-account-suspended = Account suspended
act-account-resumed = Suspension taken back
act-role-granted = Role given
act-role-ended = Role ended
act-post-handed-over = Post handed over
act-password-changed = Password changed
act-password-reset = One-time code made
act-admin-recovered = Administrator let in on the console
act-logged-in = Logged in
act-login-refused = Log-in refused
act-code-made = Enrolment code made
act-device-copied = Two copies of a phone seen
act-device-enrolled = Phone enrolled
act-device-renamed = Phone renamed
act-device-revoked = Phone revoked
act-device-lost = Phone lost
act-device-admitted = Phone admitted again
act-device-returned = Unknown phone came back after a restore
act-personal-searched = Searched in citizens’ data
act-token-key-rotated = Key of tokens changed
act-quarantine-judged = Quarantine judged
act-exported = Data exported
act-backed-up = Backup made
act-restored = Restored from a backup

# Lines of files

line-unit-text = code, level and name must have 1 to { $most } bytes
line-code-earlier = the code { $code } stands on an earlier line
line-no-unit = there is no unit with the code { $code }
line-unit-differs = { $code } is there already, with another name, level or unit above it
line-personal = personal is yes, no or empty
line-no-role = there is no role { $code }
line-account-beyond = the account is not in reach
line-unit-beyond = the unit is not in reach
line-account-text = a username is a word of a-z 0-9 . _ -, a name has 1 to 200 bytes
line-no-category = there is no category { $code }
line-kind = the kind is one of { $kinds }
line-missing = { $field } is missing
line-misfit = { $field }: { $misfit }
line-above-beyond = the unit above { $code } is not in reach
line-other-day = another day than { $day }: one file, one day
line-two-names = the new code { $code } has two names
line-other-name = { $code } is { $name }, not { $said }
line-left-out = { $code } { $name } is not in the file, although what is above it is abolished
line-none-ours = no line is about a unit of this realm
line-none = there is no line
line-no-day-before = there is no day before
line-reform-text = a code or a name is empty or too long
line-role-unknown = there is no such account, old code or new code
line-role-not-held = { $name } holds no such role that ends on { $day }
line-no-admin = no admin would be left: say where the role goes

oneself-sessions = Sessions
oneself-began = Logged in at
oneself-ends = ends at
oneself-here = this one
oneself-end-others = Log out everywhere else
oneself-phones = My phones
oneself-phones-none = No phone yet. Ask your administrator for an enrolment code, then open the Làng Số app and enter it.
oneself-phones-about = Lost a phone, or see one that you do not know? Tell the administrator at once to have it revoked.
done-sessions = Logged out everywhere else.
