// A client's connection as a table: in each state it may be in, each thing that may happen to it,
// and what the client sees of it. Nothing is left to chance here; core_test.cpp mixes all of it.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core_rig.h"
#include "http_text.h"
#include "origin.h"

namespace ringtime::sim {
namespace {

using ring::SimFaults;
using ring::SimPeer;
using ring::SimWorld;

constexpr Nanoseconds kSecond = kNanosecondsPerSecond;
constexpr Nanoseconds kSettle = 100 * kNanosecondsPerMillisecond;
/// More than an upstream that takes nothing leaves room for, so that the gateway stops reading.
constexpr size_t kUntakenBytes = 60'000;
/// Longer than any deadline of a connection.
constexpr Nanoseconds kForever = 300 * kSecond;

const char kHealth[] = "GET /health HTTP/1.1\r\nHost: h\r\n\r\n";

enum class State : uint8_t {
    fresh,             ///< Not a byte has come.
    in_head,           ///< Some of a head.
    idle,              ///< Between two requests.
    in_body,           ///< The upstream waits for the rest of the client's body.
    untaken,           ///< The upstream takes nothing of a body that is under way.
    at_upstream,       ///< The client waits for an upstream that says nothing.
    taking,            ///< An answer is under way to a client that does not read.
    taking_unbounded,  ///< The same, of an answer in chunks that does not end.
    pipelined,         ///< More answers queued than the client takes; requests wait.
    refused,           ///< A refusal and FIN were sent.
    served,            ///< The last answer and FIN were sent.
};

enum class Event : uint8_t { fin, reset, silence, garbage, drain, abort };

struct Scene {
    explicit Scene(State in, const CoreSpec& spec = {})
        : world(1, SimFaults{}), origin(world, 9001, ledger), rig(world, spec), state(in) {}

    void run_for(Nanoseconds time) {
        (void)rig.run_until([] { return false; }, time);
    }
    void enter_state();
    void happen(Event event);

    SimWorld world;
    Ledger ledger;
    Origin origin;
    CoreRig rig;
    State state;
    SimPeer* client = nullptr;
};

void Scene::enter_state() {
    client = &world.connect(rig.listener());
    switch (state) {
        case State::fresh: break;
        case State::in_head: client->send("GET /up/x HTTP/1.1\r\nHo"); break;
        case State::idle: client->send(kHealth); break;
        case State::in_body:
            client->send("POST /up/x?id=2&upload=1000 HTTP/1.1\r\nHost: h\r\n"
                         "Content-Length: 1000\r\n\r\n" +
                         body_of(2, 10));
            break;
        case State::untaken:
            client->send("POST /up/x?id=2&fault=11 HTTP/1.1\r\nHost: h\r\n"
                         "Content-Length: 2000000\r\n\r\n" +
                         std::string(kUntakenBytes, 'x'));
            break;
        case State::at_upstream:
            client->send("GET /up/x?fault=6 HTTP/1.1\r\nHost: h\r\n\r\n");
            break;
        case State::taking:
            client->stop_reading();
            client->send("GET /up/x?id=2&size=900000 HTTP/1.1\r\nHost: h\r\n\r\n");
            break;
        case State::taking_unbounded:
            client->send("GET /up/x?id=2&fault=10 HTTP/1.1\r\nHost: h\r\n\r\n");
            break;
        case State::pipelined:
            client->stop_reading();
            for (int i = 0; i < 5000; ++i) client->send(kHealth);
            break;
        case State::refused: client->send("GET /up/x HTTP/1.1\r\nHost : h\r\n\r\n"); break;
        case State::served:
            client->send("GET /health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
            break;
    }
    run_for(kSettle);
}

void Scene::happen(Event event) {
    switch (event) {
        case Event::fin: client->half_close(); break;
        case Event::reset: client->reset(); break;
        case Event::silence: break;
        case Event::garbage: client->send(std::string(20, '\0')); break;
        case Event::drain: rig.core().drain(); break;
        case Event::abort:
            rig.core().drain();
            rig.core().abort_all();
            break;
    }
    run_for(kSettle);
    if (event != Event::silence) client->resume_reading();
}

/// Statuses of whole answers (many equal ones as one), `cut` for one that is not whole, and how the
/// connection ended, if the client did not reset it itself.
std::string seen_by(const SimPeer& client) {
    std::string seen;
    std::string_view text = client.received();
    std::string last;
    while (!text.empty()) {
        Message answer = read_message(text, Kind::answer, client.ended());
        bool whole = answer.state == Message::State::complete;
        std::string one = whole ? std::to_string(answer.status) : "cut";
        if (one != last) seen += one + " ";
        last = one;
        if (!whole) break;
        text.remove_prefix(answer.size);
    }
    return seen + (client.broken() ? "reset" : client.ended() ? "fin" : "");
}

struct Row {
    State state;
    Event event;
    const char* seen;
    /// The connection is gone so soon.
    Nanoseconds within;
};

constexpr Nanoseconds kHead = 10 * kSecond;
constexpr Nanoseconds kKeepAlive = 60 * kSecond;
constexpr Nanoseconds kBody = 10 * kSecond;  // Windows are judged one period late at most.
constexpr Nanoseconds kWindow = 5 * kSecond;
constexpr Nanoseconds kStall = 60 * kSecond;
constexpr Nanoseconds kUpstream = 60 * kSecond;
constexpr Nanoseconds kLinger = 2 * kSecond;

const Row kRows[] = {
    {State::fresh, Event::fin, "fin", 0},
    {State::fresh, Event::reset, "", 0},
    {State::fresh, Event::silence, "fin", kHead},
    {State::fresh, Event::garbage, "400 fin", kLinger},
    {State::fresh, Event::drain, "fin", kLinger},
    {State::fresh, Event::abort, "reset", 0},

    {State::in_head, Event::fin, "fin", 0},
    {State::in_head, Event::reset, "", 0},
    {State::in_head, Event::silence, "408 fin", kHead + kLinger},
    {State::in_head, Event::garbage, "400 fin", kLinger},
    {State::in_head, Event::drain, "408 fin", kHead + kLinger},
    {State::in_head, Event::abort, "reset", 0},

    {State::idle, Event::fin, "200 fin", 0},
    {State::idle, Event::reset, "200 ", 0},
    {State::idle, Event::silence, "200 fin", kKeepAlive},
    {State::idle, Event::garbage, "200 400 fin", kLinger},
    {State::idle, Event::drain, "200 fin", kLinger},
    {State::idle, Event::abort, "200 reset", 0},

    // Half a body is no body: nothing is left to say.
    {State::in_body, Event::fin, "reset", 0},
    {State::in_body, Event::reset, "", 0},
    {State::in_body, Event::silence, "408 fin", kBody + kLinger},
    {State::in_body, Event::drain, "408 fin", kBody + kLinger},
    {State::in_body, Event::abort, "reset", 0},

    {State::untaken, Event::fin, "reset", kWindow},
    {State::untaken, Event::reset, "", kWindow},
    {State::untaken, Event::silence, "504 fin", 2 * kUpstream + kLinger},
    {State::untaken, Event::abort, "reset", 0},

    // Half-closed the client still gets its answer.
    {State::at_upstream, Event::fin, "504 fin", kUpstream + kLinger},
    {State::at_upstream, Event::reset, "", 0},
    {State::at_upstream, Event::silence, "504 fin", kUpstream + kKeepAlive},
    {State::at_upstream, Event::garbage, "504 400 fin", kUpstream + kLinger},
    {State::at_upstream, Event::drain, "504 fin", kUpstream + kLinger},
    {State::at_upstream, Event::abort, "reset", 0},

    {State::taking, Event::fin, "200 fin", kLinger},
    {State::taking, Event::reset, "", 0},
    {State::taking, Event::silence, "cut reset", kStall},
    {State::taking, Event::garbage, "200 400 fin", kLinger},
    {State::taking, Event::drain, "200 fin", kLinger},
    {State::taking, Event::abort, "cut reset", 0},

    // Who has sent FIN may be gone; an answer without end is not sent for ever.
    {State::taking_unbounded, Event::fin, "cut fin", kHead + kLinger},
    {State::taking_unbounded, Event::reset, "cut ", 0},
    {State::taking_unbounded, Event::abort, "cut reset", 0},

    {State::pipelined, Event::fin, "200 fin", kLinger},
    {State::pipelined, Event::reset, "", 0},
    {State::pipelined, Event::silence, "200 cut reset", kKeepAlive},
    {State::pipelined, Event::garbage, "200 400 fin", kLinger},
    {State::pipelined, Event::abort, "200 cut reset", 0},

    {State::refused, Event::fin, "400 fin", 0},
    {State::refused, Event::reset, "400 fin", 0},
    {State::refused, Event::silence, "400 fin", kLinger},
    {State::refused, Event::garbage, "400 fin", kLinger},
    {State::refused, Event::drain, "400 fin", kLinger},
    {State::refused, Event::abort, "400 reset", 0},

    {State::served, Event::fin, "200 fin", 0},
    {State::served, Event::reset, "200 fin", 0},
    {State::served, Event::silence, "200 fin", kLinger},
    {State::served, Event::garbage, "200 fin", kLinger},
    {State::served, Event::drain, "200 fin", kLinger},
    {State::served, Event::abort, "200 reset", 0},
};

TEST(Connection, each_state_answers_each_event) {
    for (const Row& row : kRows) {
        SCOPED_TRACE("state " + std::to_string(static_cast<int>(row.state)) + ", event " +
                     std::to_string(static_cast<int>(row.event)));
        Scene scene(row.state);
        scene.enter_state();
        scene.happen(row.event);
        // The listener's socket stays, and perhaps one of an upstream in the pool.
        const auto gone = [&] { return scene.rig.core().connection_count() == 0; };
        EXPECT_TRUE(scene.rig.run_until(gone, row.within + kSecond));
        // What was sent has arrived a moment later.
        scene.client->resume_reading();
        scene.run_for(kSettle);
        EXPECT_EQ(seen_by(*scene.client), row.seen);
        if (!scene.client->over()) scene.client->close();
        scene.rig.finish();
        EXPECT_TRUE(scene.world.violations().empty()) << scene.world.violations().front();
    }
}

// A byte now and then keeps nothing alive that ought to end.
TEST(Connection, trickles_buy_no_time) {
    struct Trickle {
        State state;
        const char* bytes;
        const char* seen;
        Nanoseconds within;
    };
    const Trickle trickles[] = {
        {State::in_head, "x", "408 fin", kHead + kLinger},
        {State::refused, "x", "400 fin", kLinger},
        {State::served, "x", "200 fin", kLinger},
    };
    for (const Trickle& row : trickles) {
        SCOPED_TRACE("state " + std::to_string(static_cast<int>(row.state)));
        Scene scene(row.state);
        scene.enter_state();
        std::function<void()> send = [&] {
            if (scene.client->over() && scene.rig.core().connection_count() == 0) return;
            scene.client->send(row.bytes);
            scene.world.after(kSecond / 2, send);
        };
        send();
        const auto gone = [&] { return scene.rig.core().connection_count() == 0; };
        EXPECT_TRUE(scene.rig.run_until(gone, row.within + kSecond));
        scene.run_for(kSettle);
        EXPECT_EQ(seen_by(*scene.client).substr(0, 3), std::string(row.seen).substr(0, 3));
        scene.client->close();
        scene.rig.finish();
        EXPECT_TRUE(scene.world.violations().empty()) << scene.world.violations().front();
    }
}

// What comes behind the head; whether that is worth while depends on how much is left then.
TEST(Connection, large_uploads_of_known_length_pass_through_a_pipe) {
    CoreSpec spec;
    spec.upstream.retries.body_bytes_max = 0;  // Nothing is kept for another attempt.
    for (bool large : {false, true}) {
        Scene scene(State::fresh, spec);
        scene.enter_state();
        size_t size = limits::spliced_upload_bytes_min + (large ? kUntakenBytes : 0);
        scene.client->send("POST /up/x?id=2&fault=11 HTTP/1.1\r\nHost: h\r\nContent-Length: " +
                           std::to_string(size) + "\r\n\r\nx");
        scene.run_for(kSettle);
        scene.client->send(std::string(size - 1, 'x'));
        scene.run_for(kSettle);
        EXPECT_EQ(scene.rig.io().pipes.used(), large ? 1U : 0U);
        scene.client->reset();
        scene.rig.finish();
        EXPECT_TRUE(scene.world.violations().empty()) << scene.world.violations().front();
    }
}

// A slow reader that does read gets everything, however long it takes.
TEST(Connection, who_takes_bytes_keeps_the_connection) {
    for (bool last : {false, true}) {
        Scene scene(State::fresh);
        scene.enter_state();
        scene.client->read_slowly(1000, 100 * kNanosecondsPerMillisecond);
        scene.client->send(std::string("GET /up/x?id=2&size=1000000 HTTP/1.1\r\nHost: h\r\n") +
                           (last ? "Connection: close\r\n\r\n" : "\r\n"));
        const auto whole = [&] {
            return scene.client->over() || scene.client->received().size() > 1'000'000;
        };
        EXPECT_TRUE(scene.rig.run_until(whole, kForever));
        EXPECT_EQ(seen_by(*scene.client).substr(0, 3), "200");
        scene.client->close();
        scene.rig.finish();
        EXPECT_TRUE(scene.world.violations().empty()) << scene.world.violations().front();
    }
}

}  // namespace
}  // namespace ringtime::sim
