import Foundation

/// Carries a vault's requests to `server` with URLSession.
public final class UrlSessionTransport: Transport, Sendable {
    private let server: URL
    private let session: URLSession

    /// `server` is the address without a path: `https://langso.example.vn`.
    public init(server: URL) {
        self.server = server
        let configuration = URLSessionConfiguration.ephemeral
        configuration.timeoutIntervalForRequest = 60
        configuration.httpCookieStorage = nil
        configuration.urlCache = nil
        session = URLSession(configuration: configuration, delegate: NoRedirects(), delegateQueue: nil)
    }

    public func post(request: HttpRequest) async throws -> HttpAnswer {
        var outgoing = URLRequest(url: server.appendingPathComponent(request.path))
        outgoing.httpMethod = "POST"
        outgoing.httpBody = request.body
        for header in request.headers {
            outgoing.setValue(header.value, forHTTPHeaderField: header.name)
        }
        do {
            let (body, response) = try await session.data(for: outgoing)
            guard let answer = response as? HTTPURLResponse else { throw TransportError.Unreachable }
            let headers = answer.allHeaderFields.compactMap { name, value in
                (name as? String).map { HttpHeader(name: $0, value: "\(value)") }
            }
            return HttpAnswer(status: UInt16(answer.statusCode), headers: headers, body: body)
        } catch let error as URLError where error.code == .cancelled {
            // That is how URLSession says that its task was cancelled.
            throw TransportError.Cancelled
        } catch {
            throw TransportError.Unreachable
        }
    }
}

/// A redirect is an answer: usually of a network that wants its user to log in.
private final class NoRedirects: NSObject, URLSessionTaskDelegate, Sendable {
    func urlSession(
        _ session: URLSession, task: URLSessionTask, willPerformHTTPRedirection response: HTTPURLResponse,
        newRequest request: URLRequest
    ) async -> URLRequest? { nil }
}
