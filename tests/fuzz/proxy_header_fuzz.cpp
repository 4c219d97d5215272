// Whatever comes before the first request: the outcome does not depend on how it was cut, nothing
// behind the header is taken, and what was understood is understood again when it is written anew.
// The first byte of the input chooses the size of the cuts.

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "check.h"
#include "net/proxy_header.h"

namespace {

using namespace ringtime::net;
using State = ProxyHeaderReader::State;

struct Outcome {
    State state = State::need_more;
    size_t consumed = 0;
    ProxiedPeers peers;
};

Outcome read(std::string_view bytes, size_t step) {
    ProxyHeaderReader reader{};
    Outcome outcome;
    while (!bytes.empty() && outcome.state == State::need_more) {
        std::string_view part = bytes.substr(0, step);
        ProxyHeaderReader::Step done = reader.feed(part);
        CHECK(done.consumed <= part.size());
        CHECK(done.state != State::need_more || done.consumed == part.size());
        outcome.consumed += done.consumed;
        outcome.state = done.state;
        bytes.remove_prefix(done.consumed);
    }
    outcome.peers = reader.peers();
    return outcome;
}

bool same(const PeerAddress& a, const PeerAddress& b) {
    return a.family == b.family && a.port == b.port && std::memcmp(a.bytes, b.bytes, 16) == 0;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    Outcome whole = read(bytes, std::max<size_t>(bytes.size(), 1));
    Outcome cut = read(bytes, 1U + data[0] % 32U);
    CHECK(cut.state == whole.state);
    if (whole.state != State::complete) return 0;
    CHECK(cut.consumed == whole.consumed);
    CHECK(same(cut.peers.source, whole.peers.source));
    const ProxiedPeers& peers = whole.peers;
    bool known = peers.source.family == peers.destination.family &&
                 (peers.source.family == AF_INET || peers.source.family == AF_INET6);
    for (auto write : {write_proxy_v1, write_proxy_v2}) {
        char text[proxy_header_bytes_max];
        size_t written = write(peers, text);
        CHECK(written <= sizeof text);
        Outcome again = read({text, written}, written);
        CHECK(again.state == State::complete && again.consumed == written);
        CHECK(!known || (same(again.peers.source, peers.source) &&
                         same(again.peers.destination, peers.destination)));
    }
    return 0;
}
