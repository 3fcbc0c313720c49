package vn.langso

import java.io.IOException
import java.net.URI
import java.net.http.HttpClient
import java.net.http.HttpRequest as JavaRequest
import java.net.http.HttpResponse
import java.time.Duration
import kotlinx.coroutines.future.await

/** A transport over the JVM's own client, as an app writes it over OkHttp. */
class HttpTransport(private val server: String) : Transport {
    private val client = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(10)).build()

    override suspend fun post(request: HttpRequest): HttpAnswer {
        val outgoing = JavaRequest.newBuilder(URI(server + request.path)).timeout(Duration.ofSeconds(60))
        request.headers.forEach { outgoing.header(it.name, it.value) }
        val body = JavaRequest.BodyPublishers.ofByteArray(request.body)
        val answer = try {
            client.sendAsync(outgoing.POST(body).build(), HttpResponse.BodyHandlers.ofByteArray()).await()
        } catch (_: IOException) {
            throw TransportException.Unreachable()
        }
        val headers = answer.headers().map().flatMap { (name, values) -> values.map { HttpHeader(name, it) } }
        return HttpAnswer(answer.statusCode().toUShort(), headers, answer.body())
    }
}
