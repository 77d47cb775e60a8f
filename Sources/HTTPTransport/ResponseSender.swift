import Glibc
import HTTPMessages
import HTTPTypes

/// Sends responses over a connection as ``ResponseEncoder`` frames them.
struct ResponseSender: Sendable {
    private let connection: Connection
    private let idleLimit: Double

    /// Bodies up to this size are copied behind their head, so that a response is one write and mostly one packet;
    /// larger ones are sent from where they are.
    private static let joinedBody = 16 << 10

    init(_ service: HTTPService, _ connection: Connection) {
        self.connection = connection
        idleLimit = service.limits.idleSeconds
    }

    /// - Returns: whether the connection can serve another request.
    func sendContinue() async -> Bool {
        await write(ResponseEncoder.continueResponse)
    }

    /// - Returns: whether the connection can serve another request. If anything fails after the head, it cannot.
    func send(_ response: Response, _ exchange: RequestDecoder.Exchange) async -> Bool {
        var (response, exchange) = (response, exchange)
        if await connection.isDraining { exchange.keepsAlive = false }
        if response.fields[.xRequestID] == nil { response.fields[.xRequestID] = exchange.id ?? RequestID.random() }
        var head: [UInt8] = []
        head.reserveCapacity(512)
        let (framing, keepsAlive) = ResponseEncoder(exchange)
            .appendHead(of: response, date: HTTPDate(secondsSince1970: time(nil)), to: &head)
        switch (framing, response.body) {
        case (.none, _):
            await connection.enter(.sending)
            return await write(head) && keepsAlive
        case (_, .bytes(let body)):
            await connection.enter(.sending)
            if body.count <= Self.joinedBody {
                head.append(contentsOf: body)
                return await write(head) && keepsAlive
            }
            guard await write(head, moreFollows: true) else { return false }
            return await write(body) && keepsAlive
        case (_, .stream(let produce)):
            await connection.enter(.streaming)
            guard await write(head) else { return false }
            return await stream(produce, isChunked: framing == .chunked) && keepsAlive
        }
    }

    private func stream(_ produce: (BodyWriter) async throws -> Void, isChunked: Bool) async -> Bool {
        let writer = BodyWriter { [self] bytes async throws(ClientDisconnected) in
            guard isChunked else { return try await connection.write(bytes, idleLimit: idleLimit) }
            var chunk: [UInt8] = []
            chunk.reserveCapacity(bytes.count + 16)
            ResponseEncoder.chunk(bytes, into: &chunk)
            try await connection.write(chunk, idleLimit: idleLimit)
        }
        do {
            try await produce(writer)
        } catch {
            // The client sees a body that breaks off; the status is sent and cannot tell it any more.
            return false
        }
        return await isChunked ? write(ResponseEncoder.lastChunk) : true
    }

    private func write(_ bytes: [UInt8], moreFollows: Bool = false) async -> Bool {
        do throws(ClientDisconnected) {
            try await connection.write(bytes, idleLimit: idleLimit, moreFollows: moreFollows)
            return true
        } catch {
            return false
        }
    }
}
