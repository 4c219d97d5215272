#pragma once
// A core, an exchange and plugins for the tests of hooks: everything but sockets.

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "control.h"
#include "hook/chain_run.h"
#include "hook/plugin_set.h"

namespace ringtime::hook {

using Journal = std::vector<std::string>;

/// A core's loop that turns when the test says so.
class FakePort final : public CorePort {
 public:
    [[nodiscard]] bool post(const loop::Message& message) noexcept override {
        std::lock_guard guard(lock_);
        if (full) return false;
        messages_.push_back(message);
        return true;
    }
    void arm(loop::Timer& timer, Nanoseconds deadline) noexcept override {
        if (timer.armed()) timer.unlink();
        timer.deadline = deadline;
        timers_.push_back(timer);
    }
    void disarm(loop::Timer& timer) noexcept override {
        if (timer.armed()) timer.unlink();
    }
    [[nodiscard]] Nanoseconds now() const noexcept override { return now_; }

    /// Delivers what was posted.
    void turn() {
        for (;;) {
            loop::Message message;
            {
                std::lock_guard guard(lock_);
                if (messages_.empty()) return;
                message = messages_.front();
                messages_.pop_front();
            }
            message.function(message.context, message.value);
        }
    }
    void advance(Milliseconds by) {
        now_ += from_milliseconds(by);
        List<loop::Timer> due;
        for (loop::Timer* timer = timers_.front(); timer;) {
            loop::Timer* next = timers_.next(*timer);
            if (timer->deadline <= now_) {
                timer->unlink();
                due.push_back(*timer);
            }
            timer = next;
        }
        while (loop::Timer* timer = due.pop_front()) timer->on_expire(*timer);
    }
    [[nodiscard]] bool idle() { return timers_.empty(); }

    bool full = false;

 private:
    std::mutex lock_;
    std::deque<loop::Message> messages_;
    List<loop::Timer> timers_;
    Nanoseconds now_ = 1'000'000'000;
};

/// A request as an exchange would hold it.
struct FakeExchange {
    explicit FakeExchange(std::string_view path = "/page")
        : arena(block, sizeof block, 256 * 1024) {
        head.method = http::Method::get;
        head.method_text = "GET";
        head.path = head.target = path;
        head.fields.base = text;
        add("host", "a.example");
        add("user-agent", "test/1");
        add("x-secret", "42");
        draft.begin(head.fields);
        facts.head = &head;
        facts.draft = &draft;
        facts.arena = &arena;
        facts.path = facts.full_path = path;
        facts.host = "a.example";
        facts.request_id = "r-1";
    }
    void add(std::string_view name, std::string_view value) {
        http::Field field;
        field.id = http::intern(name);
        field.name_offset = put(name);
        field.name_size = static_cast<uint16_t>(name.size());
        field.value_offset = put(value);
        field.value_size = static_cast<uint16_t>(value.size());
        head.fields.add(field);
    }
    [[nodiscard]] Wake wake() {
        return {[](void* self) noexcept { ++static_cast<FakeExchange*>(self)->wakes; }, this};
    }

    char text[512];
    uint16_t used = 0;
    alignas(16) char block[limits::exchange_arena_bytes];
    http::RequestHead head;
    http::FieldDraft draft;
    Arena arena;
    RequestFacts facts;
    int wakes = 0;

 private:
    uint16_t put(std::string_view part) {
        uint16_t offset = used;
        std::copy(part.begin(), part.end(), text + used);
        used = static_cast<uint16_t>(used + part.size());
        return offset;
    }
};

inline std::string plugin_file(std::string_view name) {
    return std::string(TEST_PLUGINS) + "/" + std::string(name) + ".so";
}

/// What plugins hold on to. Never destroyed: a thread that a test leaves behind in a plugin may
/// still come back to it, and may be waiting in it when the process ends.
struct World {
    hook_test::Control control;
    FakePort port;
    Cores cores{1};

    [[nodiscard]] static World& another() {
        static auto& worlds = *new std::deque<World>;
        return worlds.emplace_back();
    }
};

/// Hears what is logged while it lives.
class Heard final : private LogListener {
 public:
    Heard() { set_log_listener(this); }
    ~Heard() { set_log_listener(nullptr); }
    Heard(const Heard&) = delete;
    Heard& operator=(const Heard&) = delete;

    /// How many lines hold it.
    [[nodiscard]] long count(std::string_view text) {
        std::lock_guard guard(lock_);
        return std::count_if(lines_.begin(), lines_.end(), [&](const std::string& line) {
            return line.find(text) != line.npos;
        });
    }

 private:
    void on_line(LogLevel, uint64_t, std::string_view area,
                 std::string_view text) noexcept override {
        std::lock_guard guard(lock_);
        lines_.push_back(std::string(area) + ": " + std::string(text));
    }
    std::mutex lock_;
    std::vector<std::string> lines_;
};

/// Plugins on one core.
class HookTest : public testing::Test {
 protected:
    HookTest() { cores[0].attach(port); }
    ~HookTest() override {
        if (set) set->stop_core(0);
    }

    [[nodiscard]] PluginSpec spec(std::string name, std::string_view file = "puppet") {
        PluginSpec made;
        made.name = name;
        made.short_name = std::move(name);
        made.version = "1.0.0";
        made.file = plugin_file(file);
        made.config_json = config("");
        return made;
    }
    /// A puppet with these members of a JSON object as its configuration.
    [[nodiscard]] PluginSpec puppet(std::string name, std::string_view members = "") {
        PluginSpec made = spec(std::move(name));
        made.config_json = config(members);
        return made;
    }
    [[nodiscard]] std::string config(std::string_view members) {
        std::string json = "{\"control\":" + std::to_string(reinterpret_cast<uintptr_t>(&control));
        if (!members.empty()) json += "," + std::string(members);
        return json + "}";
    }

    LoadResult load(std::vector<PluginSpec> specs, LoadOptions options = {}) {
        return load_plugins(std::move(specs), cores, options);
    }
    /// Loads, starts the core, compiles the chain of any host, forgets the journal.
    void start(std::vector<PluginSpec> specs) {
        LoadResult result = load(std::move(specs));
        ASSERT_TRUE(result.set) << result.problems.front().text();
        set = std::move(result.set);
        (void)set->start_core(0);
        chain = set->chain_for("");
        (void)control.take();
    }
    void begin() { run.begin(chain, cores[0], exchange.facts, exchange.wake()); }
    [[nodiscard]] Outcome request() {
        begin();
        return run.run_request();
    }
    [[nodiscard]] Outcome respond(uint16_t status) {
        response_fields.clear();
        response_fields.base = "";
        response_draft.begin(response_fields);
        response = {};
        response.draft = &response_draft;
        response.status = status;
        return run.run_response(response);
    }
    void done(uint16_t status) {
        ringtime_summary summary{};
        summary.struct_size = sizeof summary;
        summary.status = status;
        run.run_done(summary);
    }
    [[nodiscard]] std::string answer_body() {
        std::string text;
        for (;;) {
            Piece piece;
            if (run.answer().body().pull(piece, 100'000) != http::Pull::data) return text;
            text += piece.view();
            piece.release();
        }
    }

    World& world = World::another();
    hook_test::Control& control = world.control;
    FakePort& port = world.port;
    Cores& cores = world.cores;
    std::unique_ptr<PluginSet> set;
    const Chain* chain = nullptr;
    FakeExchange exchange;
    http::FieldTable response_fields;
    http::FieldDraft response_draft;
    ResponseFacts response;
    ChainRun run;
};

}  // namespace ringtime::hook
