// Subscribes to everything, edits and answers, and allocates nothing itself.

#include <ringtime/plugin.hpp>

#include <charconv>

using ringtime::Verdict;

namespace {
struct Quiet {
    static Verdict on_request(ringtime::Request& request) {
        request.set("x-a", "1");
        request.fields().add("x-b", "2");
        request.fields().remove("x-secret");
        request.make_state<int>(1);
        char digits[24];
        auto address = reinterpret_cast<uintptr_t>(request.field(RINGTIME_FIELD_USER_AGENT).data());
        char* end = std::to_chars(digits, digits + sizeof digits, address).ptr;
        return request.respond(200, "a body of a few bytes\n",
                               {{"x-address", {digits, static_cast<size_t>(end - digits)}}});
    }
    static void on_response(ringtime::Request& request, ringtime::Response& response) {
        response.set("x-a", request.state<int>() ? "1" : "0");
    }
    static void on_done(ringtime::Request&, const ringtime::Summary&) {}
};
}  // namespace

RINGTIME_PLUGIN(Quiet)
