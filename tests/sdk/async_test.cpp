// Answers that stay open, through the gateway's side: the app is tests/sdk/chat.cpp.
#include "../worker/harness.h"

namespace ringtime::worker::test {
namespace {

using Clients = std::vector<std::unique_ptr<Client>>;

AppSpec chat_app() {
    AppSpec app = module_app("chat");
    app.concurrency = 0;
    app.workers_max = 1;
    return app;
}

Clients subscribe(World& world, int count) {
    Clients clients;
    for (int i = 0; i < count; ++i)
        clients.push_back(std::make_unique<Client>(world.pool(), World::request("/events")));
    EXPECT_TRUE(world.until([&] { return clients.back()->status() == 200; }));
    return clients;
}

std::string say(World& world, const std::string& text) {
    return world.fetch(World::request("/say", {}, http::Method::post), text)->received;
}

void expect_all_hear(World& world) {
    Clients clients = subscribe(world, 50);
    EXPECT_EQ(clients[0]->field_text,
              "content-type: text/event-stream\ncache-control: no-store\n");
    EXPECT_EQ(say(world, "data: one\n\n"), "50");
    EXPECT_EQ(say(world, "data: two\n\n"), "50");
    for (const auto& client : clients) {
        EXPECT_TRUE(world.until([&] { return client->received == "data: one\n\ndata: two\n\n"; }))
            << client->received;
        EXPECT_FALSE(client->done());
    }
}

TEST(Async, what_is_said_to_all_is_heard_by_all) {
    World world({chat_app()});
    expect_all_hear(world);
    EXPECT_EQ(world.pool().counters().strikes, 0U);
}

TEST(Async, a_program_with_a_loop_of_its_own_does_the_same) {
    AppSpec app = program_app("chat-program");
    app.concurrency = 0;
    app.workers_max = 1;
    World world({app});
    expect_all_hear(world);
}

TEST(Async, who_leaves_frees_its_place_and_is_told_of) {
    World world({chat_app()});
    Clients clients = subscribe(world, 20);
    clients.resize(5);
    EXPECT_TRUE(world.until([&] { return world.supervisor().workers().at(0).in_flight == 5; }));
    EXPECT_EQ(world.fetch(World::request("/closed"))->received, "15");
    EXPECT_EQ(say(world, "x"), "5");
    Client waiting(world.pool(), World::request("/wait"));
    EXPECT_TRUE(world.until(
        [&] { return world.fetch(World::request("/waiting"))->received == "1"; }));
    waiting.release();
    EXPECT_TRUE(world.until(
        [&] { return world.fetch(World::request("/waiting"))->received == "0"; }));
    EXPECT_EQ(world.supervisor().workers().at(0).in_flight, 5U);
}

TEST(Async, slow_readers_are_cut_and_nobody_waits_for_them) {
    World world({chat_app()});
    Clients quick = subscribe(world, 2);
    Clients slow = subscribe(world, 30);
    for (auto& client : slow) client->hold_pieces = true;
    std::string event(50'000, 'e');
    uint64_t said = 0;
    for (int i = 0; i < 60 && world.supervisor().workers().at(0).in_flight > 2; ++i) {
        say(world, event);
        said += event.size();
        // Until both have it: the slow ones hold the memory, and who lags behind is one of them.
        for (auto& client : quick)
            ASSERT_TRUE(world.until([&] { return client->received_bytes == said; })) << i;
    }
    EXPECT_EQ(say(world, "end"), "2");
    EXPECT_TRUE(world.until([&] { return quick[1]->received_bytes == said + 3; }));
    for (auto& client : slow) {  // None of them takes it for a complete answer.
        EXPECT_TRUE(world.until([&] { return client->done(); }));
        EXPECT_NE(client->reason(), Reason::none);
    }
    EXPECT_EQ(world.pool().counters().strikes, 0U);
}

TEST(Async, other_threads_have_a_way_in) {
    World world({chat_app()});
    Clients clients = subscribe(world, 3);
    EXPECT_EQ(world.fetch(World::request("/later", "2000", http::Method::post))->status(), 204);
    std::string expected;
    for (int i = 0; i < 2000; ++i) expected += std::to_string(i) + "\n";
    for (const auto& client : clients)
        EXPECT_TRUE(world.until([&] { return client->received.size() >= expected.size(); }));
    EXPECT_EQ(clients[2]->received, expected);
}

TEST(Async, what_is_written_when_there_is_room_arrives_whole) {
    World world({chat_app()});
    auto client = world.fetch(World::request("/fill", "5000000"));
    EXPECT_TRUE(client->received == std::string(5'000'000, 'f')) << client->received_bytes;
    std::string body;
    for (int i = 0; i < 100'000; ++i) body += std::to_string(i);
    client = world.fetch(World::request("/echo", {}, http::Method::post), body);
    EXPECT_TRUE(client->received == body) << client->received_bytes << " of " << body.size();
    EXPECT_EQ(world.fetch(World::request("/say", {}, http::Method::post),
                          std::string(100'001, 'x'))->status(), 413);
    EXPECT_EQ(world.fetch(World::request("/events", {}, http::Method::head))->status(), 200);
    EXPECT_TRUE(world.until([&] { return world.supervisor().workers().at(0).in_flight == 0; }));
    EXPECT_EQ(world.pool().counters().strikes, 0U);
}

TEST(Async, a_stream_that_is_made_at_once_is_not_made_for_head) {
    World world({program_app("routed")});
    EXPECT_EQ(world.fetch(World::request("/events", {}, http::Method::head))->received, "");
    EXPECT_EQ(world.fetch(World::request("/endless", {}, http::Method::head))->status(), 200);
}

}  // namespace
}  // namespace ringtime::worker::test
