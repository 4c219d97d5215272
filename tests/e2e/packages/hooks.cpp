// The plugin of the end-to-end tests: does to a request what its `x-hook` field says, and signs
// every response. The manifest's `sign` tells its generations apart, `init: fail` makes it fail.
#include <ringtime/plugin.hpp>
#include <stdexcept>
#include <string>

namespace {

using ringtime::Verdict;

class Hooks {
 public:
    explicit Hooks(ringtime::Context& context)
        : context_(context), sign_(context.string("sign")) {
        if (context.string("init") == "fail") throw std::runtime_error("init fails on purpose");
        context.route<&Hooks::item>("GET", "/items/:id", this);
    }

    Verdict on_request(ringtime::Request& request) {
        std::string_view what = request.field("x-hook");
        if (what == "answer") return request.respond(418, "answered\n", {{"x-kind", "teapot"}});
        if (what == "fail") return Verdict::failed;
        if (what == "throw") throw std::runtime_error("on purpose");
        if (what == "edit") {
            request.set("x-added", "by the plugin");
            request.fields().remove("x-removed");
        }
        if (what == "forge") {  // Framing is the gateway's own.
            bool refused = !request.set("content-length", "7") && !request.set("host", "other");
            request.set("x-refused", refused ? "yes" : "no");
        }
        if (what == "path" && !request.set_path("/rewritten")) return Verdict::failed;
        return Verdict::next;
    }

    Verdict on_response(ringtime::Request& request, ringtime::Response& response) {
        response.set("x-signed", request.id());
        if (!sign_.empty()) response.set("x-generation", sign_);
        if (request.field("x-hook") == "status") response.set_status(299);
        response.fields().remove("x-hidden");
        if (request.field("x-hook") != "instead") return Verdict::next;
        return response.replace(201, "instead of " + std::to_string(response.status()) + "\n",
                                {{"x-signed", request.id()}});
    }

    void on_worker_spawn(const ringtime::Worker& worker) { tell("spawned", worker); }
    void on_worker_terminate(const ringtime::Worker& worker) { tell("terminated", worker); }

 private:
    void tell(const char* what, const ringtime::Worker& worker) {
        context_.info("app " + std::string(ringtime::text(worker.app->name)) + " pid " +
                      std::to_string(worker.pid) + " " + what + " " +
                      std::to_string(worker.wait_status));
    }
    Verdict item(ringtime::Request& request) {
        return request.respond(200, "item " + std::string(request.parameter("id")) + "\n");
    }

    ringtime::Context& context_;
    std::string sign_;
};

}  // namespace

RINGTIME_PLUGIN(Hooks)
