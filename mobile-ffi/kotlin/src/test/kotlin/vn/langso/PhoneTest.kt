package vn.langso

import java.util.concurrent.TimeUnit
import kotlinx.coroutines.async
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.yield
import org.junit.jupiter.api.AfterAll
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.BeforeAll
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestInstance
import org.junit.jupiter.api.assertThrows

/** What an app does, against a real server. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class PhoneTest {
    private lateinit var district: District

    @BeforeAll
    fun start() {
        district = District()
    }

    @AfterAll
    fun stop() = district.close()

    private suspend fun enrolled(name: String): Phone {
        val phone = Phone.create(district.vault(name), KEY)
        phone.enrol(district.code(), transport())
        phone.sync(transport())
        return phone
    }

    private fun transport() = HttpTransport(district.url)

    private companion object {
        const val SIGKILL = 9
    }

    private suspend fun Phone.all() = assistances(page = Page(limit = 1000u)).items

    @Test
    fun `entries survive the process that is killed while they are made, and reach the other phone`() = runBlocking {
        enrolled("evening").close()
        val java = ProcessHandle.current().info().command().get()
        val evening = ProcessBuilder(
            java, "-cp", System.getProperty("java.class.path"),
            "-Djna.library.path=" + System.getProperty("jna.library.path"),
            "vn.langso.EveningKt", district.vault("evening"),
        ).redirectError(ProcessBuilder.Redirect.INHERIT).start()
        val safe = evening.inputReader().lineSequence().take(20).toList()
        evening.destroyForcibly().waitFor(30, TimeUnit.SECONDS)
        assertEquals(128 + SIGKILL, evening.exitValue())
        assertEquals(20, safe.size)

        Phone.open(district.vault("evening"), KEY).use { phone ->
            val kept = phone.all().map { it.id }
            assertTrue(kept.containsAll(safe), "what was said to be safe is there")
            repeat(50 - kept.size) { phone.record(help("Trần Thị $it")) }
            assertEquals(50u, phone.status().pending)
            val report = phone.sync(transport())
            assertTrue(report.finished)
            assertEquals(50u, report.total.confirmed)
            assertTrue(phone.all().all { it.delivery == Delivery.Delivered })
        }
        enrolled("other").use { other ->
            assertTrue(other.all().map { it.id }.containsAll(safe))
            assertEquals("0912345678", other.all().first().citizenPhone)
        }
    }

    @Test
    fun `two vaults that disagree show both values until somebody chooses`() = runBlocking {
        enrolled("head").use { head ->
            enrolled("deputy").use { deputy ->
                val id = head.record(help("Lê Thị Hoa"))
                head.sync(transport())
                deputy.sync(transport())
                assertTrue(head.amend(id, AssistanceField.Note("hẹn thứ sáu")))
                assertTrue(deputy.amend(id, AssistanceField.Note("hẹn thứ bảy")))
                head.sync(transport())
                deputy.sync(transport())
                val conflict = deputy.conflicts().single { it.record == id }
                assertEquals(setOf("hẹn thứ sáu", "hẹn thứ bảy"), conflict.values.map { it.text }.toSet())
                val friday = conflict.values.first { it.text == "hẹn thứ sáu" }
                assertTrue(deputy.resolve(conflict, friday))
                deputy.sync(transport())
                head.sync(transport())
                assertEquals("hẹn thứ sáu", head.assistance(id)?.note)
                assertTrue(head.conflicts().none { it.record == id })

                head.amend(id, AssistanceField.People(2u))
                deputy.amend(id, AssistanceField.People(3u))
                head.sync(transport())
                deputy.sync(transport())
                val people = deputy.conflicts().single { it.record == id }
                val unfit = assertThrows<VaultException.NotAllowed> { deputy.resolveOtherwise(people, "nhiều") }
                assertEquals("field_people", unfit.code)
                assertTrue(deputy.resolveOtherwise(people, "4"))
                deputy.sync(transport())
                head.sync(transport())
                assertEquals(4u, head.assistance(id)?.people)
            }
        }
    }

    @Test
    fun `changes flow while somebody collects them`() = runBlocking {
        enrolled("watched").use { phone ->
            val change = async { phone.changes.first() }
            while (!change.isCompleted) {
                phone.record(help("Lê Thị Hoa"))
                yield()
            }
            assertEquals(Change.LOCAL, change.await())
        }
    }

    @Test
    fun `a sync that is cancelled loses nothing`() = runBlocking {
        enrolled("hasty").use { phone ->
            phone.record(help("Lê Thị Hoa"))
            val never = object : Transport {
                override suspend fun post(request: HttpRequest): HttpAnswer {
                    delay(Long.MAX_VALUE)
                    error("nobody waits that long")
                }
            }
            val sync = launch { phone.sync(never) }
            delay(50)
            sync.cancelAndJoin()
            assertEquals(1u, phone.sync(transport()).total.confirmed)
        }
    }

    @Test
    fun `a phone that was revoked delivers what it has and is empty`() = runBlocking {
        val phone = enrolled("revoked")
        repeat(5) { phone.record(help("Nguyễn Văn $it")) }
        val wiped = async { phone.changes.first { it == Change.WIPED } }
        val device = phone.status().device!!
        district.revoke(device)

        val report = phone.sync(transport())
        assertTrue(report.finished && report.total.wiped)
        assertEquals(5u, report.total.refused)
        assertTrue(district.quarantine(device).single().contains("\"changes\":5"), "an official decides")
        assertEquals(Change.WIPED, wiped.await())
        assertEquals(emptyList<String>(), district.files("revoked"))
        val closed = assertThrows<VaultException.Other> { phone.record(help("Lê Thị Hoa")) }
        assertEquals("vault_closed", closed.code)
        phone.close()
    }

    @Test
    fun `a procedure is found without its accents`() = runBlocking {
        enrolled("form").use { phone ->
            assertEquals(listOf("2.000815"), phone.procedures("ho so").map { it.code })
            assertEquals(2, phone.procedures().size)
        }
    }

    @Test
    fun `errors say what to do`() = runBlocking {
        val phone = Phone.create(district.vault("errors"), KEY)
        val refused = assertThrows<VaultException.SignInAgain> { phone.enrol("NO-SUCH-CODE", transport()) }
        assertEquals("code_unknown", refused.code)
        val away = assertThrows<VaultException.Other> { phone.enrol("CODE", HttpTransport("http://127.0.0.1:9")) }
        assertEquals("unreachable", away.code)
        val portal = object : Transport {
            override suspend fun post(request: HttpRequest) =
                HttpAnswer(200u, listOf(HttpHeader("content-type", "text/html")), "<html>Wi-Fi</html>".toByteArray())
        }
        assertEquals("answer_foreign", assertThrows<VaultException.Other> { phone.enrol("CODE", portal) }.code)
        val broken = object : Transport {
            override suspend fun post(request: HttpRequest): HttpAnswer = throw IllegalStateException("a bug of the app's")
        }
        assertEquals("unreachable", assertThrows<VaultException.Other> { phone.enrol("CODE", broken) }.code)
        val twice = assertThrows<VaultException.Other> { Phone.open(district.vault("errors"), KEY) }
        assertEquals("store_in_use", twice.code)
        phone.close()
        val wrong = assertThrows<VaultException.Damaged> { Phone.open(district.vault("errors"), ByteArray(32)) }
        assertEquals("store_wrong_key", wrong.code)
        assertFalse(wrong.message.orEmpty().contains(district.vault("errors")), "no paths in what is logged")
    }
}
