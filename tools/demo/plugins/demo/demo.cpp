// A native plugin: answers /plugin itself, and leaves its mark on every response.
#include <ringtime/plugin.hpp>

struct Demo {
    ringtime::Verdict on_request(ringtime::Request& request) {
        if (request.full_path() != "/plugin") return ringtime::Verdict::next;
        return request.respond(200, "Hello from a plugin!\n");
    }
    void on_response(ringtime::Request&, ringtime::Response& response) {
        response.set("x-demo", "seen");
    }
};

RINGTIME_PLUGIN(Demo)
