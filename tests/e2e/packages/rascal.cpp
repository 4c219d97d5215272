// A plugin that does wrong whatever a plugin can do wrong, as `x-do` says; the gateway and other
// requests must not suffer from it.
#include <ringtime/plugin.hpp>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using ringtime::Token;
using ringtime::Verdict;

class Rascal {
 public:
    explicit Rascal(ringtime::Context& context) {
        context.route<&Rascal::release>("POST", "/release", this);
        context.route<&Rascal::trip>("GET", "/trip", this);
        context.route<&Rascal::hang>("GET", "/hang", this);
        context.route<&Rascal::told>("GET", "/told", this);
    }

    Verdict on_request(ringtime::Request& request) {
        std::string_view what = request.field("x-do");
        if (what == "throw") throw std::runtime_error("on purpose");
        if (what == "throw a number") throw 7;
        // tidy: allow(sleep) what it does wrong
        if (what == "block") std::this_thread::sleep_for(std::chrono::milliseconds(200));
        if (what == "suspend") return keep(request.pause(std::chrono::milliseconds(100)));
        if (what == "suspend for ever") return keep(request.pause(std::chrono::hours(1)));
        if (what == "resume twice") return resume_twice(request);
        if (what == "say answered") return Verdict::answered;
        if (what == "say paused") return Verdict::paused;
        if (what == "say nonsense") return static_cast<Verdict>(99);
        if (what == "crash") std::raise(SIGSEGV);
        if (what == "abort") std::abort();
        if (what == "dig") return dig(request, 1) > 1 ? Verdict::next : Verdict::failed;
        if (what == "hoard") return hoard(request);
        if (what == "lend") return request.respond_owned(200, std::string(64u << 20, 'x'));
        if (what == "answer and go on") {
            Verdict ignored = request.respond(418, "never seen\n");
            return ignored == Verdict::answered ? Verdict::next : Verdict::failed;
        }
        if (what == "pause and go on") (void)keep(request.pause(std::chrono::seconds(1)));
        return Verdict::next;
    }
    Verdict on_resume(ringtime::Request& request, uint64_t value) {
        return request.respond(200, "resumed with " + std::to_string(value) + "\n");
    }
    void on_resume_late(uint64_t) { ++late_; }

    void on_request_body(ringtime::Request& request, ringtime::Chunk&) { tempt(request, "body"); }
    void on_response(ringtime::Request& request, ringtime::Response&) {
        tempt(request, "response");
    }
    void on_response_body(ringtime::Request& request, ringtime::Chunk&) {
        tempt(request, "response body");
    }
    void on_done(ringtime::Request& request, const ringtime::Summary&) {
        if (request.field("x-do").data()) ++done_;
        tempt(request, "done");
    }
    void on_shutdown() {
        for (std::thread& thread : threads_) thread.join();
    }

 private:
    static void tempt(const ringtime::Request& request, std::string_view where) {
        if (request.field("x-throw") == where) throw std::runtime_error(std::string(where));
    }

    Verdict keep(Token token) {
        std::lock_guard lock(lock_);
        kept_.push_back(token);
        return token ? Verdict::paused : Verdict::failed;
    }
    Verdict resume_twice(ringtime::Request& request) {
        Token token = request.pause(std::chrono::seconds(20));
        if (!token) return Verdict::failed;
        std::lock_guard lock(lock_);
        threads_.emplace_back([this, token] {
            token.resume(1);
            if (!token.resume(2)) ++refused_;
        });
        return Verdict::paused;
    }
    // For ever: until the stack is used up.
    static uint64_t dig(const ringtime::Request& request, uint64_t depth) {
        volatile char room[4096];
        room[depth % sizeof room] = static_cast<char>(depth);
        if (!request.field("x-do").data()) return depth;
        return dig(request, depth + 1) + static_cast<uint64_t>(room[0]);
    }
    // Everything it is given a limit for, up to that limit.
    static Verdict hoard(ringtime::Request& request) {
        size_t got = 0;
        while (request.raw().host->allocate(request.raw().exchange, 64 * 1024)) ++got;
        size_t lines = 0;
        while (lines < 1'000'000 && request.fields().add("x-hoard", "y")) ++lines;
        bool limited = got < 100'000 && lines < 1'000'000;
        return request.respond(limited ? 200 : 500, "enough\n");
    }

    Verdict release(ringtime::Request& request) {
        std::lock_guard lock(lock_);
        size_t taken = 0;
        for (Token token : kept_) taken += token.resume(5) ? 1 : 0;
        std::string said = std::to_string(taken) + " of " + std::to_string(kept_.size()) + "\n";
        kept_.clear();
        return request.respond(200, said);
    }
    Verdict hang(ringtime::Request& request) { return keep(request.pause(std::chrono::hours(1))); }
    void trip(ringtime::Request&) { throw std::runtime_error("over its feet"); }
    Verdict told(ringtime::Request& request) {
        std::lock_guard lock(lock_);
        return request.respond(200, "late " + std::to_string(late_) + " refused " +
                                        std::to_string(refused_) + " done " +
                                        std::to_string(done_) + " kept " +
                                        std::to_string(kept_.size()) + "\n");
    }

    std::mutex lock_;
    std::vector<Token> kept_;
    std::vector<std::thread> threads_;
    std::atomic<unsigned> late_{0};
    std::atomic<unsigned> refused_{0};
    std::atomic<unsigned> done_{0};
};

}  // namespace

RINGTIME_PLUGIN(Rascal)
