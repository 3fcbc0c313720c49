package vn.langso

import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.channels.awaitClose
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.buffer
import kotlinx.coroutines.flow.callbackFlow
import kotlinx.coroutines.withContext

/**
 * One person's phone: a [Vault] as Kotlin likes it.
 *
 * Every call suspends and works on [dispatcher], so that it may be made from the main thread. When a call that records
 * something returns, the entry is on disk and is never lost; it leaves the phone with the next [sync]. Cancel what awaits
 * a call to cancel it: nothing is lost at any moment.
 *
 * Errors are [VaultException]s, and there are six of them, each something that the app does.
 */
class Phone private constructor(
    private val vault: Vault,
    private val dispatcher: CoroutineDispatcher,
) : AutoCloseable {

    companion object {
        /** Makes a vault at [path], where there is nothing yet, encrypted with [key]: 32 random bytes of the Keystore's. */
        suspend fun create(path: String, key: ByteArray, dispatcher: CoroutineDispatcher = Dispatchers.IO): Phone =
            withContext(dispatcher) { Phone(Vault.create(path, key), dispatcher) }

        /** Opens the vault at [path]. A vault is open once: close it before it is opened again. */
        suspend fun open(path: String, key: ByteArray, dispatcher: CoroutineDispatcher = Dispatchers.IO): Phone =
            withContext(dispatcher) { Phone(Vault.open(path, key), dispatcher) }
    }

    /**
     * Emits whenever something changed here: look at the lists again. A slow collector misses repetitions, never the
     * last change.
     */
    val changes: Flow<Change> = callbackFlow {
        val subscription = vault.observe(object : ChangeListener {
            override fun changed(change: Change) {
                trySend(change)
            }
        })
        awaitClose {
            subscription.cancel()
            subscription.close()
        }
    }.buffer(Channel.CONFLATED)

    /** Trades a one-time [code] for the identity of this phone. If it fails half-way, call it again with the same code. */
    suspend fun enrol(code: String, transport: Transport) = withContext(dispatcher) { vault.enrol(code, transport) }

    /**
     * Exchanges until both sides have everything; [onStep] is told of each answer. A server that is busy is no error:
     * then [SyncReport.finished] is false, and `total.comeBackAfterMs` says when to come back.
     */
    suspend fun sync(transport: Transport, onStep: ((SyncStep) -> Unit)? = null): SyncReport = withContext(dispatcher) {
        val progress = onStep?.let {
            object : SyncProgress {
                override fun step(step: SyncStep) = it(step)
            }
        }
        vault.sync(transport, progress)
    }

    /** How things stand: what is on this phone and nowhere else, since when, and when the last exchange was. */
    suspend fun status(): Status = work { status() }

    /** Tells the server with the next exchange which version of the app this is. */
    suspend fun appVersion(version: String) = work { setAppVersion(version) }

    /** Encrypts the vault with another key. Keep both until this returns. */
    suspend fun rekey(key: ByteArray) = work { rekey(key) }

    /** Records an act of help and gives its id. */
    suspend fun record(assistance: NewAssistance): String = work { recordAssistance(assistance) }

    /** Corrects fields of a record. `false`: it said all of that already. */
    suspend fun amend(record: String, vararg fields: AssistanceField): Boolean = work { amend(record, fields.toList()) }

    /** Takes a record back. It stays readable. */
    suspend fun retract(record: String, reason: RetractReason): Boolean = work { retract(record, reason) }

    /** One page of records, newest first. */
    suspend fun assistances(
        filter: AssistanceFilter = AssistanceFilter(),
        page: Page = Page(),
    ): AssistancePage = work { assistances(filter, page) }

    /** One record, if it is here. */
    suspend fun assistance(record: String): Assistance? = work { assistance(record) }

    /**
     * What was recorded here and the server did not merge, oldest first; [SetAside.discarded] is what was decided,
     * [SetAside.shown] the record as it was typed. Nothing waits for it.
     */
    suspend fun setAside(): List<SetAside> = work { setAside() }

    /** Fields that two people set to different values. */
    suspend fun conflicts(): List<Conflict> = work { conflicts() }

    /**
     * Chooses [value] for a field in conflict. If other values arrived since [conflict] was read, nothing is overridden:
     * that is [VaultException.NotAllowed] with the code `changed_meanwhile`; show the conflict again.
     */
    suspend fun resolve(conflict: Conflict, value: ConflictValue): Boolean = work { resolve(conflict, value.id) }

    /**
     * Says what is right where none of the values is, written as [ConflictValue.text] is: numbers in digits, a time in UTC
     * milliseconds. [VaultException.NotAllowed] names the field that [text] does not fit.
     */
    suspend fun resolveOtherwise(conflict: Conflict, text: String): Boolean =
        work { resolveOtherwise(conflict, text) }

    /**
     * Procedures that may be chosen today and answer [search], the best first. Accents are optional: `ho so` finds
     * *Hồ sơ*; an empty search finds all.
     */
    suspend fun procedures(search: String = ""): List<CatalogueEntry> = work { procedures(search) }

    /** Every entry of a kind that may be chosen today, by name. */
    suspend fun catalogue(kind: CatalogueKind): List<CatalogueEntry> = work { catalogue(kind) }

    /** Directives, the most pressing first. */
    suspend fun directives(): List<Directive> = work { directives() }

    /** Says that somebody opened a directive. */
    suspend fun markOpened(directive: String) = work { markOpened(directive) }

    /** Says how far a hamlet has come with a directive; [note] is needed where it cannot be done. */
    suspend fun acknowledge(directive: String, stage: Stage, note: String? = null, unit: String? = null) =
        work { acknowledge(directive, stage, note, unit) }

    /** Begins a directive, and gives the draft's id. For officials. */
    suspend fun draft(text: DirectiveText, unit: String? = null): String = work { draft(text, unit) }

    /** Goes on writing a draft. */
    suspend fun revise(draft: String, text: DirectiveText): Boolean = work { revise(draft, text) }

    /** Gives a draft up. */
    suspend fun discard(draft: String): Boolean = work { discard(draft) }

    /** Drafts, newest first. */
    suspend fun drafts(): List<Draft> = work { drafts() }

    /** Issues a draft, and gives the directive's id. It never changes again. */
    suspend fun issue(draft: String): String = work { issue(draft) }

    /** What was said to a record, newest first. */
    suspend fun remarks(record: String): List<Remark> = work { remarks(record) }

    /** Says something to a record. For officials. */
    suspend fun remark(record: String, kind: RemarkKind, words: String? = null): Boolean =
        work { remark(record, kind, words) }

    /** Answers a remark. */
    suspend fun answer(remark: String, words: String): Boolean = work { answer(remark, words) }

    /** Closes the vault; another process or a new [Phone] may open it. */
    override fun close() {
        vault.shut()
        vault.close()
    }

    private suspend fun <T> work(act: Vault.() -> T): T = withContext(dispatcher) { vault.act() }
}
