#pragma once
// What a test of the ring's contract needs from the world outside: far ends of connections. One
// implementation uses the kernel's sockets, the other a simulated world; the tests cannot tell.

#include <sys/socket.h>

#include <memory>
#include <string>
#include <string_view>

namespace ringtime::ring {

/// The other end of a connection. Reads only when asked for what it received.
class FarEnd {
 public:
    virtual ~FarEnd() = default;
    virtual void send(std::string_view bytes) = 0;
    virtual void half_close() = 0;
    virtual void reset() = 0;
    /// Everything that has arrived so far.
    virtual const std::string& received() = 0;
    /// FIN was received, and all before it was read.
    virtual bool ended() = 0;
    virtual bool broken() = 0;
};

class Outside {
 public:
    /// `variation`: of chance, where there is any.
    static std::unique_ptr<Outside> make(unsigned variation);
    virtual ~Outside() = default;
    virtual int listen() = 0;
    virtual std::unique_ptr<FarEnd> connect(int listener) = 0;
    struct Connected {
        int fd;
        std::unique_ptr<FarEnd> far;
    };
    virtual Connected connected() = 0;
    /// Where outgoing connections are accepted, and who was accepted there (null: nobody yet).
    virtual sockaddr_storage server_address() = 0;
    virtual std::unique_ptr<FarEnd> accepted() = 0;
    /// Where nobody listens.
    virtual sockaddr_storage closed_address() = 0;
    /// More than a connection takes up while nobody reads.
    [[nodiscard]] virtual size_t flood_bytes() const = 0;
    /// How many variations are worth a run.
    static const unsigned variations;
};

}  // namespace ringtime::ring
