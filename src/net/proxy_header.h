#pragma once
// The PROXY protocol, versions 1 and 2: a proxy in front says, before the first byte of a
// connection, whom it speaks for. Read strictly, because whoever can forge it can be anybody: one
// form per version, every length bounded, nothing skipped that is not understood.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "net/address.h"

namespace ringtime::net {

/// Whom a connection is for and what it was made to. Without a family the proxy speaks for itself
/// (a health check), or does not know.
struct ProxiedPeers {
    PeerAddress source;
    PeerAddress destination;
};

/// A step machine that takes exactly the header's bytes. Trivial: it may lie in borrowed memory.
class ProxyHeaderReader {
 public:
    enum class State : uint8_t { need_more, complete, failed };
    struct Step {
        State state = State::need_more;
        uint32_t consumed = 0;
    };
    /// The next bytes of the connection; the outcome does not depend on how they were cut.
    [[nodiscard]] Step feed(std::string_view bytes) noexcept;
    /// Valid when complete.
    [[nodiscard]] const ProxiedPeers& peers() const noexcept { return peers_; }

 private:
    [[nodiscard]] State look() noexcept;
    [[nodiscard]] State look_at_v1() noexcept;
    [[nodiscard]] State look_at_v2() noexcept;
    [[nodiscard]] bool read_tlvs(size_t at) const noexcept;

    // 16 bytes of head and what follows; larger ones than anybody sends are refused.
    static constexpr size_t kMost = 1024;

    uint32_t size_ = 0;
    uint32_t wanted_ = 1;  ///< Bytes that are surely part of the header.
    ProxiedPeers peers_;
    char text_[kMost];
};

/// Bytes of the longest header that is written.
inline constexpr size_t proxy_header_bytes_max = 108;
/// Write one header to `out`; return its size. Peers of different or no IP families are unknown.
[[nodiscard]] size_t write_proxy_v1(const ProxiedPeers& peers, char* out) noexcept;
[[nodiscard]] size_t write_proxy_v2(const ProxiedPeers& peers, char* out) noexcept;
/// Version 2, from the gateway itself: for checks of its own.
[[nodiscard]] size_t write_proxy_v2_local(char* out) noexcept;

}  // namespace ringtime::net
