// The plugin of the body tests: does to bodies what a request's `x-body` field says. Built twice:
// to change bodies as they pass, and (GATHER) to have requests' bodies whole.
#include <algorithm>
#include <cctype>
#include <ringtime/plugin.hpp>
#include <string>

namespace {

using ringtime::Chunk;
using ringtime::Request;
using ringtime::Verdict;

#ifdef GATHER
class Bodies {
 public:
    static constexpr uint64_t gather_bytes_max = 100'000;
    explicit Bodies(ringtime::Context&) {}

    Verdict on_request(Request& request) {
        if (request.field("x-body") == "tell")
            return request.respond(200, std::to_string(request.body().size()) + "\n");
        request.set("x-gathered", std::to_string(request.body().size()));
        return Verdict::next;
    }
};
#else
std::string louder(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return out;
}

class Bodies {
 public:
    static constexpr auto request_body = ringtime::Body::transform;
    static constexpr auto response_body = ringtime::Body::transform;
    explicit Bodies(ringtime::Context&) {}

    Verdict on_request_body(Request& request, Chunk& chunk) {
        return pass(request, chunk, "up");
    }
    Verdict on_response_body(Request& request, Chunk& chunk) {
        return pass(request, chunk, "down");
    }

 private:
    static Verdict pass(Request& request, Chunk& chunk, std::string_view way) {
        std::string_view what = request.field("x-body");
        if (!what.starts_with(way)) return Verdict::next;
        what.remove_prefix(way.size());
        if (what == "-loud") chunk.replace(louder(chunk.bytes()));
        if (what == "-drop") chunk.replace("");
        if (what == "-sign" && chunk.last()) chunk.replace("-- signed\n");
        if (what == "-fail") return Verdict::failed;
        if (what == "-late") {
            // Announced and over at once: the exchange goes on from where it stood.
            ringtime::Token token = request.pause(std::chrono::seconds(10));
            token.resume();
            return Verdict::paused;
        }
        if (what == "-never") {
            (void)request.pause(std::chrono::milliseconds(50));
            return Verdict::paused;
        }
        return Verdict::next;
    }
};
#endif

}  // namespace

RINGTIME_PLUGIN(Bodies)
