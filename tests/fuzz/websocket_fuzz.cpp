// Frames of a hostile client: whatever the cuts, a decoder says the same, stays inside its memory
// and its limit, and never yields text that is not UTF-8.

#include <cstring>
#include <string>
#include <vector>

#include "check.h"
#include "http/websocket.h"

namespace {

using namespace ringtime::http;

constexpr uint64_t kMost = 4096;

std::string decode(std::string_view wire, size_t cut) {
    SocketDecoder decoder(SocketPeer::client, kMost);
    std::string said;
    std::string message;  // How much of it is seen before it fails depends on the cuts.
    Utf8Check utf8;
    for (size_t at = 0; at < wire.size(); at += cut) {
        // Exactly as large as promised, so that a sanitizer sees an overrun.
        std::string_view part = wire.substr(at, cut);
        std::vector<char> piece(part.begin(), part.end());
        std::vector<char> out(piece.size());
        size_t used = 0;
        for (;;) {
            auto step = decoder.decode(piece.data() + used, piece.size() - used, out.data());
            used += step.consumed;
            CHECK(used <= piece.size());
            if (step.event == SocketDecoder::Event::more) break;
            if (step.event == SocketDecoder::Event::failed)
                return said + "failed " + std::to_string(step.code);
            if (step.event == SocketDecoder::Event::data) {
                message += step.data;
                CHECK(message.size() <= kMost);
                if (step.kind == SocketOpcode::text) CHECK(utf8.take(step.data));
                if (!step.last) continue;
                CHECK(step.kind != SocketOpcode::text || utf8.complete());
                utf8 = {};
                said += message;
                message.clear();
            }
            said += "|" + std::to_string(static_cast<int>(step.event)) + " " +
                    std::to_string(step.code);
            if (step.event != SocketDecoder::Event::data) said += step.data;
        }
        CHECK(used == piece.size());
    }
    return said;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 1 || size > 16384) return 0;
    std::string_view wire(reinterpret_cast<const char*>(data) + 1, size - 1);
    std::string whole = decode(wire, wire.size() + 1);
    CHECK(decode(wire, data[0] % 61 + 1) == whole);
    return 0;
}
