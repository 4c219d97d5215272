// Does in each hook what its configuration says, and notes it: `on_request: answer` and so on.

#include <ringtime/plugin.hpp>

#include <memory>
#include <stdexcept>

#include "../control.h"

using ringtime::Verdict;

namespace {

struct Puppet {
    struct CoreState {
        int requests = 0;
    };
    static constexpr auto response_body = ringtime::Body::transform;

    explicit Puppet(ringtime::Context& context)
        : context_(context),
          control_(*reinterpret_cast<ringtime::hook_test::Control*>(context.integer("control"))),
          name_(ringtime::text(context.about().short_name)) {}

    void on_init(ringtime::Context& context) {
        note("on_init");
        std::string_view what = context.string("on_init");
        if (what == "throw") throw std::runtime_error("the moon is wrong");
        if (what == "block") {
            control_.reached.open();
            control_.gate.wait();
        }
        if (what == "say why") context.fail("the moon is full");
        if (what == "bad pattern") context.route<&Puppet::item>("GET", "items/:id", this);
        if (what == "bad method") context.route<&Puppet::item>("Get", "/items/:id", this);
        if (what == "bad static") (void)context.make_static(204, "content");
        answer_ = context.make_static(418, "short and stout\n", {{"x-static", "yes"}});
        if (context.boolean("provide")) context.provide("pot", 2, this);
        std::string_view wanted = context.string("use");
        if (!wanted.empty()) note(context.use<Puppet>(wanted, 2) ? "found" : "not found");
        if (!context.boolean("routes")) return;
        context.route<&Puppet::item>("GET", "/items/:id", this);
        context.route<&Puppet::file>("", "/files/*", this);
        context.route<&Puppet::pass>("GET", "/pass", this);
    }
    void on_core_start(ringtime::Core& core) {
        note("on_core_start " + std::to_string(core.index()));
        if (context_.string("on_core_start") == "throw") throw std::runtime_error("cold core");
        if (context_.integer("tick")) {
            timer_ = core.every<&Puppet::tick>(std::chrono::milliseconds(context_.integer("tick")),
                                               this);
            core_ = std::make_unique<ringtime::Core>(core);
        }
    }
    void on_core_stop(ringtime::Core&) { note("on_core_stop"); }
    void on_server_start() { note("on_server_start"); }
    void on_shutdown() {
        note("on_shutdown");
        if (context_.string("on_shutdown") == "block") control_.gate.wait();
    }

    Verdict on_request(ringtime::Request& request) {
        note("on_request");
        ++request.core<CoreState>().requests;
        return act(request, context_.string("on_request"));
    }
    Verdict on_resume(ringtime::Request& request, uint64_t value) {
        note("on_resume " + std::to_string(value));
        return act(request, context_.string("on_resume"));
    }
    void on_resume_late(uint64_t value) { note("on_resume_late " + std::to_string(value)); }

    Verdict on_response(ringtime::Request& request, ringtime::Response& response) {
        note("on_response " + std::to_string(response.status()));
        std::string_view what = context_.string("on_response");
        if (what == "throw") throw std::runtime_error("no");
        if (what == "edit") {
            response.set("x-seen-by", name_);
            response.set_status(203);
        }
        if (what == "pause") return pause(request);
        return replace(request, response, what);
    }
    Verdict on_response_body(ringtime::Request& request, ringtime::Chunk& chunk) {
        std::string_view what = context_.string("on_response_body");
        if (what.empty()) return Verdict::next;
        note("on_response_body " + std::string(chunk.bytes()) + (chunk.last() ? "." : ""));
        if (what == "shout") {
            std::string loud(chunk.bytes());
            for (char& c : loud) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
            chunk.replace_owned(std::move(loud));
        }
        if (what == "pause") return pause(request);
        return Verdict::next;
    }
    void on_done(ringtime::Request& request, const ringtime::Summary& summary) {
        std::string line = "on_done " + std::to_string(summary.status);
        if (const int* state = request.state<int>()) line += " state " + std::to_string(*state);
        note(line);
    }

 private:
    Verdict act(ringtime::Request& request, std::string_view what) {
        if (what == "throw") throw std::runtime_error("I would rather not");
        if (what == "fail") return Verdict::failed;
        if (what == "answer") return request.respond(403, "no\n", {{"x-by", name_}});
        if (what == "answer owned") return request.respond_owned(200, std::string(300'000, 'x'));
        if (what == "answer static") return request.respond(answer_);
        if (what == "answer badly") return request.respond(200, "x", {{"content-length", "7"}});
        if (what == "claim to answer") return Verdict::answered;
        if (what == "claim to pause") return Verdict::paused;
        if (what == "answer and go on") {
            (void)request.respond(200, "x");
            return Verdict::next;
        }
        if (what == "pause and go on") {
            (void)pause(request);
            return Verdict::next;
        }
        if (what == "edit") {
            request.set("x-identity", name_);
            request.fields().remove("x-secret");
            request.make_state<int>(7);
        }
        if (what == "read") {
            note("x-identity=" + std::string(request.field("x-identity")) + " secret=" +
                 std::string(request.field("x-secret")) + " path=" + std::string(request.path()));
        }
        if (what == "rewrite")
            note(request.set_path("/other/%7Euser/../page") ? "rewritten" : "refused");
        if (what == "pause") return pause(request);
        if (what == "pause, resume here") {
            ringtime::Token token = request.pause(std::chrono::seconds(1));
            token.resume(5);
            return Verdict::paused;
        }
        if (what == "pause, resume from a thread") {
            ringtime::Token token = request.pause(std::chrono::seconds(100));
            control_.thread = std::thread([token] { token.resume(9); });
            return Verdict::paused;
        }
        return Verdict::next;
    }
    Verdict replace(ringtime::Request& request, ringtime::Response& response,
                    std::string_view what) {
        auto good = [&] { return response.replace(201, "instead\n", {{"x-by", name_}}); };
        if (what == "replace") return good();
        if (what == "respond") return request.respond(200, "too late\n");
        if (what == "replace badly") return response.replace(200, "x", {{"content-length", "7"}});
        if (what == "replace twice") return good() == Verdict::answered ? good() : Verdict::next;
        if (what == "replace and go on") (void)good();
        if (what == "replace and throw" && good() == Verdict::answered)
            throw std::runtime_error("after all");
        return Verdict::next;
    }
    Verdict pause(ringtime::Request& request) {
        control_.host = request.raw().host;
        control_.token = request.raw().host->pause(request.raw().exchange, 50);
        return Verdict::paused;
    }
    Verdict item(ringtime::Request& request) {
        note("item " + std::string(request.parameter("id")));
        return request.respond(200, request.parameter("id"));
    }
    Verdict file(ringtime::Request& request) {
        note("file " + std::string(request.parameter("*")));
        return pause(request);
    }
    void pass(ringtime::Request&) { note("pass"); }
    void tick() {
        note("tick");
        if (++ticks_ == 2) core_->stop(timer_);
    }
    void note(std::string what) { control_.note(name_ + "." + what); }

    ringtime::Context& context_;
    ringtime::hook_test::Control& control_;
    std::string name_;
    ringtime::Static answer_;
    ringtime_timer* timer_ = nullptr;
    std::unique_ptr<ringtime::Core> core_;
    int ticks_ = 0;
};

}  // namespace

RINGTIME_PLUGIN(Puppet)
