// The plugin `headers`, as the gateway loads it.

#include "support.h"

namespace ringtime::hook {
namespace {

struct HeadersTest : HookTest {
    PluginSpec headers(std::string json) {
        PluginSpec made = spec("headers");
        made.file = HEADERS_PLUGIN;
        made.config_json = std::move(json);
        return made;
    }
};

TEST_F(HeadersTest, sets_and_removes_as_configured) {
    start({headers(R"({"setOnRequest":["x-environment: test"],
                       "setOnResponse":["x-frame-options:DENY","x-empty:"],
                       "removeFromResponse":["x-seen-by"]})"),
           puppet("late", R"("on_response":"edit")")});
    EXPECT_EQ(request(), Outcome::go_on);
    EXPECT_EQ(exchange.draft.get("x-environment"), "test");
    EXPECT_EQ(respond(200), Outcome::go_on);
    EXPECT_EQ(response_draft.get("x-frame-options"), "DENY");
    EXPECT_NE(response_draft.get("x-empty").data(), nullptr);
    EXPECT_EQ(response_draft.get("x-seen-by").data(), nullptr);
}

TEST_F(HeadersTest, a_line_without_a_colon_ends_the_start) {
    LoadResult result = load({headers(R"({"setOnRequest":["nonsense"]})")});
    EXPECT_FALSE(result.set);
    ASSERT_EQ(result.problems.size(), 1u);
    EXPECT_NE(result.problems[0].cause.find("setOnRequest: \"nonsense\""), std::string::npos);
}

TEST_F(HeadersTest, a_field_of_the_gateway_fails_closed) {
    start({headers(R"({"setOnRequest":["content-length: 1"]})")});
    EXPECT_EQ(request(), Outcome::failed);
}

}  // namespace
}  // namespace ringtime::hook
