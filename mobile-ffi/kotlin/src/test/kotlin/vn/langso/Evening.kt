package vn.langso

import kotlinx.coroutines.runBlocking

val KEY = ByteArray(32) { 7 }

fun help(name: String) = NewAssistance(
    category = "dich_vu_cong",
    channel = "tai_nha",
    outcome = "hoan_thanh",
    procedure = "1.004194",
    citizenName = name,
    citizenPhone = "0912345678",
)

/** An evening of entries in a process of its own, which somebody kills: prints the id of each that is safe. */
fun main(arguments: Array<String>) = runBlocking {
    val phone = Phone.open(arguments[0], KEY)
    repeat(50) { n ->
        println(phone.record(help("Nguyễn Văn $n")))
        System.out.flush()
    }
    // It is always alive when it is killed, wherever it has got to.
    check(readlnOrNull() == null) { "nobody was to live so long" }
}
