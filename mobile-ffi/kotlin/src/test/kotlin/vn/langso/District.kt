package vn.langso

import java.nio.file.Files
import java.nio.file.Path

/** A real `langso serve` with two hamlets, as a process of its own. */
class District : AutoCloseable {
    private val target: String = System.getProperty("langso.target")
    private val data: Path = Files.createTempDirectory("langso")
    private val process: Process
    val url: String

    init {
        val units = data.resolve("units.csv")
        Files.writeString(units, "code,parent_code,level,name\n1,,commune,Xã Một\n1.1,1,hamlet,Thôn Một\n")
        langso("units", "import", units.toString())
        val catalogue = data.resolve("catalogue.csv")
        Files.writeString(catalogue, "kind,code,name_vi\nprocedure,1.004194,Đăng ký tạm trú\nprocedure,2.000815,Nộp hồ sơ\n")
        langso("catalogue", "import", catalogue.toString())
        langso("account", "add", "--username", "truong-thon", "--name", "Trưởng thôn", "--role", "member", "--unit", "1.1")
        process = ProcessBuilder("$target/langso", "serve", "--data", dir(), "--listen", "127.0.0.1:0")
            .redirectError(ProcessBuilder.Redirect.DISCARD)
            .start()
        val first = process.inputReader().readLine() ?: error("the server did not start")
        url = first.substringAfter("listening on ").trim()
    }

    /** A one-time code of the hamlet's team. */
    fun code(): String = langso("enrol-code", "--username", "truong-thon").trim()

    fun langso(vararg arguments: String): String {
        val command = listOf("$target/langso") + arguments + listOf("--data", dir())
        val running = ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start()
        val printed = running.inputReader().readText()
        check(running.waitFor() == 0) { "${arguments.toList()}: $printed" }
        return printed
    }

    /** Revokes a phone. */
    fun revoke(device: String) {
        langso("device", "revoke", device)
    }

    /** What a phone delivered and an official has to decide on, a JSON object a batch. */
    fun quarantine(device: String): List<String> = langso("quarantine", "list").lines().filter { device in it }

    /** What is on disk of a phone's vault. */
    fun files(name: String): List<String> = data.toFile().list().orEmpty().filter { it.startsWith(name) }

    /** A path for a phone's vault. */
    fun vault(name: String): String = data.resolve(name).toString()

    private fun dir() = data.resolve("district").toString()

    override fun close() {
        process.destroy()
        process.waitFor()
        data.toFile().deleteRecursively()
    }
}
