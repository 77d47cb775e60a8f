/// What one client may ask of the server: `server.limits` of the configuration, one property per key.
///
/// Every buffer of the codec and the transport is bounded by one of these.
package struct HTTPLimits: Sendable, Equatable {
    /// Bytes of the request line without its line end; a longer one is answered with 414.
    package var requestLine = 8 << 10
    /// Fields of a request, trailers included; more are answered with 431.
    package var headerFields = 100
    /// Bytes of all field lines, trailers and chunk extensions included; more are answered with 431.
    package var headerBytes = 32 << 10
    /// Bytes of a request's body after decoding; more are answered with 413.
    package var body = 64 << 20
    /// Seconds from the first byte of a request to the end of its fields; then 408.
    package var headerSeconds = 10.0
    /// Seconds without any progress (between requests, within a body, in sending) after which a connection is closed.
    package var idleSeconds = 75.0
    /// Connections open at the same time; one more is answered with 503 and closed.
    package var connections = 10_000

    package init() {}
}
