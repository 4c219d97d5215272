// The SDK through the gateway's side: programs, modules, routes, asynchronous answers.
#include <cctype>
#include <cstring>

#include "../worker/harness.h"
#include "base/log.h"

namespace ringtime::worker::test {
namespace {

TEST(Sdk, ten_lines_make_a_module) {
    World world({module_app("ten_lines")});
    auto client = world.fetch(World::request("/anywhere"));
    EXPECT_EQ(client->status(), 200);
    EXPECT_EQ(client->received, "hello from /anywhere\n");
    EXPECT_EQ(client->field_text, "content-type: text/plain; charset=utf-8\n");
}

TEST(Sdk, routes_match_segments_parameters_and_methods) {
    World world({program_app("routed")});
    EXPECT_EQ(world.fetch(World::request("/users/7/posts/x"))->received,
              R"({"id":"7","post":"x"})");
    EXPECT_EQ(world.fetch(World::request("/users/7/posts"))->status(), 418);
    EXPECT_EQ(world.fetch(World::request("/users//posts/x"))->status(), 418);
    EXPECT_EQ(world.fetch(World::request("/files/a/b"))->received, "a/b");
    EXPECT_EQ(world.fetch(World::request("/echo", {}, http::Method::post), "text")->received,
              "text");
    auto refused = world.fetch(World::request("/echo"));
    EXPECT_EQ(refused->status(), 405);
    EXPECT_NE(refused->field_text.find("allow: POST, PUT\n"), std::string::npos);
    EXPECT_EQ(world.fetch(World::request("/static", {}, http::Method::head))->status(), 200);
    auto fixed = world.fetch(World::request("/static"));
    EXPECT_EQ(fixed->received, "<p>always</p>");
    EXPECT_NE(fixed->field_text.find("x-kind: static\n"), std::string::npos);
}

TEST(Sdk, what_no_route_takes_goes_to_fetch) {
    World world({program_app("routed")});
    auto client = world.fetch(World::request("/other"));
    EXPECT_EQ(client->status(), 418);
    EXPECT_EQ(client->received, "nothing http");
}

TEST(Sdk, an_exception_is_a_500_and_the_app_goes_on) {
    World world({program_app("routed")});
    auto thrown = world.fetch(World::request("/throws"));
    EXPECT_EQ(thrown->status(), 500);
    EXPECT_EQ(thrown->received, "The application failed.\n");
    EXPECT_EQ(world.fetch(World::request("/static"))->status(), 200);
    EXPECT_EQ(world.supervisor().counters().crashed, 0U);
}

TEST(Sdk, a_handler_refuses_with_a_status_by_throwing_it) {
    World world({program_app("routed")});
    auto taken = world.fetch(World::request("/taken"));
    EXPECT_EQ(taken->status(), 409);
    EXPECT_EQ(taken->received, "somebody has it\n");
    auto ask = [&](std::string_view body) {
        return world.fetch(World::request("/small", {}, http::Method::post), std::string(body));
    };
    EXPECT_EQ(ask("four")->received, "four");
    EXPECT_EQ(ask("fives")->status(), 413);
}

TEST(Sdk, why_a_head_is_refused_stands_in_the_log) {
    struct Heard final : LogListener {
        void on_line(LogLevel, uint64_t, std::string_view,
                     std::string_view text) noexcept override {
            all.append(text).append("\n");
        }
        std::string all;
    } heard;
    World world({program_app("routed")});
    set_log_listener(&heard);
    EXPECT_EQ(world.fetch(World::request("/name/a:b"))->status(), 500);
    bool told = world.until([&] {
        return heard.all.find("/name/a:b: the answer's head (status 200) is refused: no field's "
                              "name: a:b") != std::string::npos;
    });
    set_log_listener(nullptr);
    EXPECT_TRUE(told) << heard.all;
}

TEST(Sdk, streams_large_answers_and_repeated_fields_arrive_whole) {
    World world({program_app("routed")});
    EXPECT_EQ(world.fetch(World::request("/events"))->received,
              "data: 0\n\ndata: 1\n\ndata: 2\n\n");
    EXPECT_EQ(world.fetch(World::request("/large"))->received, std::string(1'000'000, 'z'));
    auto cookies = world.fetch(World::request("/cookies"));
    EXPECT_NE(cookies->field_text.find("set-cookie: a=1\nset-cookie: b=2\n"), std::string::npos);
}

TEST(Sdk, framing_is_the_gateways_and_files_end_at_the_sandbox) {
    World world({program_app("routed")});
    auto client = world.fetch(World::request("/framing"));
    EXPECT_EQ(client->received, "fine");
    EXPECT_EQ(client->field_text,
              "content-type: text/plain; charset=utf-8\ntf: !#$%&'*+-.^_`|~\n");
    std::string path = "/name/x";
    for (int c = 1; c < 256; ++c) {
        path.back() = static_cast<char>(c);
        bool allowed = std::isalnum(c) != 0 || std::strchr("!#$%&'*+-.^_`|~", c) != nullptr;
        EXPECT_EQ(world.fetch(World::request(path))->status(), allowed ? 200 : 500) << c;
    }
    EXPECT_EQ(world.fetch(World::request("/none"))->status(), 404);
}

TEST(Sdk, an_asynchronous_app_gets_as_many_as_it_asked_for_and_answers_in_any_order) {
    AppSpec app = module_app("later");
    app.concurrency = 0;
    app.workers_max = 1;
    World world({app});
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 8; ++i)
        clients.push_back(std::make_unique<Client>(world.pool(), World::request("/")));
    uint32_t most = 0;
    ASSERT_TRUE(world.until([&] {
        for (const auto& view : world.supervisor().workers()) most = std::max(most, view.in_flight);
        for (const auto& client : clients)
            if (!client->done()) return false;
        return true;
    }));
    EXPECT_LE(most, 4U);
    EXPECT_EQ(clients[3]->received, "0");
    EXPECT_EQ(clients[0]->received, "3");
    EXPECT_EQ(clients[4]->received, "7");
}

TEST(Sdk, a_module_without_an_entry_is_a_failed_start) {
    AppSpec app = module_app("ten_lines");
    app.entrypoint = "/usr/lib/x86_64-linux-gnu/libm.so.6";
    World world({app}, [](SupervisorOptions& options) { options.restart_first_ms = 1; });
    EXPECT_EQ(world.fetch(World::request("/"))->reason(), Reason::worker_start);
}

}  // namespace
}  // namespace ringtime::worker::test
