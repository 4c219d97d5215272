#pragma once
// How bodies pass between the client's side and whatever answers, whoever they are: a source is
// pulled, a sink is pushed, neither copies. The exchange relays between them and owns the pace;
// both ends wake the exchange when they could go on. HTTP/1 connections, upstreams, workers, files
// and plugins implement these; an exchange sees nothing else, so HTTP/2 and TLS need no change
// above them.

#include <cstdint>

#include "base/piece.h"
#include "base/result.h"
#include "http/head.h"

namespace ringtime::http {

enum class Pull : uint8_t {
    data,     ///< A piece was handed out; its release is the receiver's duty.
    pending,  ///< Nothing yet; the exchange is woken when there is.
    end,      ///< The body is complete (RFC 9112 §8); nothing follows.
    failed,   ///< Cut short or malformed: see error(). Never to be shown as a clean end.
};

/// Bytes that the kernel can send by itself: of a file, all of them in memory, or in a pipe.
struct FileRange {
    int fd = -1;
    uint64_t offset = 0;  ///< Of a file.
    uint64_t size = 0;
    bool pipe = false;
};

/// Whether the next bytes of a body can be received straight into memory of whoever takes them.
enum class InPlace : uint8_t {
    no,       ///< They are to be pulled.
    pending,  ///< Yes, but there are none yet; the exchange is woken when there are.
    ready,
};

/// A message body being produced.
class BodySource {
 public:
    /// At most `max` bytes (> 0) of the body, decoded.
    [[nodiscard]] virtual Pull pull(Piece& out, uint32_t max) noexcept = 0;
    /// Bytes in all when they are known in advance, else unknown_length.
    [[nodiscard]] virtual uint64_t length() const noexcept = 0;
    [[nodiscard]] virtual Error error() const noexcept = 0;
    /// The next bytes, when the kernel can send them and they are enough to be worth it; they are
    /// not consumed until skip() says how many were. Of size 0: they are to be pulled.
    [[nodiscard]] virtual FileRange file() noexcept { return {}; }
    virtual void skip(uint64_t /*size*/) noexcept {}
    /// Asked instead of pull() by those who have such memory. It may change with every call.
    [[nodiscard]] virtual InPlace in_place() noexcept { return InPlace::no; }
    /// Puts at most `size` bytes there, in this call, and says how many; none of them when the
    /// source has to be asked anew how it goes on. Precondition: in_place() said ready.
    [[nodiscard]] virtual uint32_t receive_into(char* /*memory*/, uint32_t /*size*/) noexcept {
        return 0;
    }
    static constexpr uint64_t unknown_length = UINT64_MAX;

 protected:
    ~BodySource() = default;
};

/// A message body being consumed. Framing is the sink's own.
class BodySink {
 public:
   /// Bytes it would take now without exceeding its window; 0: the exchange is woken when there is
   /// room.
   [[nodiscard]] virtual uint32_t room() const noexcept = 0;
   /// Takes over the piece. Precondition: room() > 0 (one piece may exceed it).
   virtual void push(const Piece& piece) noexcept = 0;
   /// send_file() may be called instead of push() now: the bytes go out as they are.
   [[nodiscard]] virtual bool takes_files() const noexcept { return false; }
   /// Sends what the peer takes at once of a file, behind all that was pushed, and says how much
   /// that was. When it is not all there is no room() until there may be more.
   [[nodiscard]] virtual uint64_t send_file(const FileRange& /*range*/) noexcept { return 0; }
   /// The body is complete.
   virtual void finish() noexcept = 0;
   /// reserve() may be called instead of push() now.
   [[nodiscard]] virtual bool lends_memory() const noexcept { return false; }
   /// Memory that the next bytes are received into: at most `size` (> 0), which becomes what is
   /// offered; null when there is none now, and then the exchange is woken when there is. Every
   /// offer ends with one commit() (of 0 when nothing came) before anything else is asked.
   [[nodiscard]] virtual char* reserve(uint32_t& size) noexcept {
       size = 0;
       return nullptr;
    }
    virtual void commit(uint32_t /*size*/) noexcept {}

 protected:
    ~BodySink() = default;
};

/// One attempt to get an answer to one request, from an upstream, a worker, a file or a plugin.
/// Made by the target when a request is dispatched; belongs to the exchange until release().
/// All calls on the core's thread; none blocks; progress arrives as a wake-up of the exchange.
///
/// An answer whose final head has status 101 becomes a tunnel (RFC 9110 §7.8). From then on body()
/// is what flows to the client and request_body(), which must not be null, what flows from it:
/// bytes without framing, both of unknown length, pulled and pushed as ever, so that the same
/// windows are the back-pressure. Nobody touches request_body() of a request that offers an upgrade
/// before the head has come: after any other head it is finished as the empty body it is. What the
/// client sent right behind its request is the first that is pushed; what came right behind the 101
/// the first that is pulled. Each direction ends by itself: Pull::end becomes FIN to the client;
/// finish() has to become FIN (or whatever stands for it) to the far side once everything pushed
/// has left, and the exchange is over when both have ended. Pull::failed, or release() before both
/// have ended, means that the tunnel is cut, which the far side should be able to see. The head
/// names the protocol that was chosen in its Upgrade field; without one it means the only one that
/// was offered. A 101 that was not asked for, or names what was not offered, is answered 502 by the
/// exchange.
class Answer {
 public:
    enum class Phase : uint8_t {
        waiting,   ///< For a connection, a free worker, the head.
        interim,   ///< A 1xx head stands in head(); take_interim() goes on.
        headed,    ///< The final head stands in head(); body() may be pulled.
        failed,    ///< See error(); no head will come.
    };

    /// Does what can be done now and says where the attempt stands.
    [[nodiscard]] virtual Phase advance() noexcept = 0;
    [[nodiscard]] virtual const ResponseHead& head() const noexcept = 0;
    virtual void take_interim() noexcept {}
    [[nodiscard]] virtual BodySource& body() noexcept = 0;
    /// Where the request's body goes; null when the target takes none. Stays the same object from
    /// the dispatch to release().
    [[nodiscard]] virtual BodySink* request_body() noexcept = 0;
    [[nodiscard]] virtual Error error() const noexcept = 0;
    /// Ends the attempt at any phase: resources return to their pools, or are torn down if not in
    /// step. The object may not be used afterwards.
    virtual void release() noexcept = 0;

 protected:
    ~Answer() = default;
};

}  // namespace ringtime::http
