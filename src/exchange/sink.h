#pragma once
// What an exchange sees of the client: where its answer goes. HTTP/1 connections implement it;
// streams of HTTP/2 will. Framing, persistence and the bytes on the wire are the implementation's.

#include <cstdint>

#include "http/body.h"
#include "http/draft.h"

namespace ringtime::exchange {

/// What becomes of the connection behind this answer.
enum class AfterResponse : uint8_t {
    keep_alive,
    discard_body,  ///< Nobody reads the request's body: the connection goes on only if it is all
                   ///< here.
    close,
};

/// Where a request came in: from anybody, or through the socket only the operator can open.
enum class Entrance : uint8_t { public_, admin_socket };

/// A final head as it should be sent: end-to-end fields only, framing excluded.
struct ResponseStart {
    uint16_t status = 0;
    const http::FieldDraft* fields = nullptr;
    /// Bytes of the body, or unknown_length. For HEAD and 304 what the body would have, or unknown.
    uint64_t length = 0;
    AfterResponse after = AfterResponse::keep_alive;
    /// With 101: the protocol that both sides speak from here on. The connection's source of the
    /// request's body then yields what the client sends, until its FIN; finish() sends ours. With
    /// 426: what the client is asked to speak.
    std::string_view upgrade;
};

class ResponseSink : public http::BodySink {
 public:
   /// Exactly once, before any piece. The body then is pushed and finished (also when it is empty).
   virtual void start_response(const ResponseStart& start) noexcept = 0;
   /// finish(), with trailers where the framing has a place for them.
   virtual void finish_with(const http::FieldTable& trailers) noexcept = 0;
   /// 103 and other interim heads; dropped where the client cannot take them.
   virtual void send_interim(uint16_t status, const http::FieldDraft& fields) noexcept = 0;
   /// The body cannot be completed: the client must be able to see that.
   virtual void abort_response() noexcept = 0;
   /// Nobody reads the answer any more.
   [[nodiscard]] virtual bool client_gone() const noexcept = 0;
   /// Everything pushed has been taken by the kernel.
   [[nodiscard]] virtual bool drained() const noexcept = 0;

 protected:
    ~ResponseSink() = default;
};

}  // namespace ringtime::exchange
