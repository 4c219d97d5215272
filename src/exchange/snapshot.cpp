#include "exchange/snapshot.h"

#include <cstring>

namespace ringtime::exchange {

bool Network::contains(const net::PeerAddress& peer) const noexcept {
    if (peer.family != family) return false;
    unsigned whole = bits / 8;
    if (std::memcmp(bytes, peer.bytes, whole) != 0) return false;
    unsigned rest = bits % 8;
    if (rest == 0) return true;
    auto mask = static_cast<uint8_t>(0xff << (8 - rest));
    return (bytes[whole] & mask) == (peer.bytes[whole] & mask);
}

}  // namespace ringtime::exchange
