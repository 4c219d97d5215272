// The JSON reader of plugin configuration.

#include <gtest/gtest.h>

#include "hook/config_values.h"

namespace ringtime::hook {
namespace {

using Kind = ConfigValue::Kind;

TEST(ConfigValues, reaches_inside_by_path) {
    ConfigValues values;
    std::string error;
    ASSERT_TRUE(values.parse(R"( {"a": {"b": [1, "two", true, null]}, "n": -1.5e3} )", error));
    EXPECT_EQ(values.find("")->count, 2u);
    EXPECT_EQ(values.find("a.b")->kind, Kind::list);
    EXPECT_EQ(values.find("a.b")->count, 4u);
    EXPECT_EQ(values.find("a.b.0")->text, "1");
    EXPECT_EQ(values.find("a.b.1")->text, "two");
    EXPECT_EQ(values.find("a.b.2")->kind, Kind::boolean);
    EXPECT_EQ(values.find("a.b.3")->kind, Kind::null);
    EXPECT_EQ(values.find("n")->text, "-1.5e3");
    EXPECT_EQ(values.find("a.c"), nullptr);
    EXPECT_EQ(values.find("a.b.4"), nullptr);
}

TEST(ConfigValues, decodes_escapes) {
    ConfigValues values;
    std::string error;
    ASSERT_TRUE(values.parse(R"({"s":"\"\\\/\b\f\n\r\té€😀"})", error));
    EXPECT_EQ(values.find("s")->text, "\"\\/\b\f\n\r\t\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
}

TEST(ConfigValues, empty_text_is_an_empty_object) {
    ConfigValues values;
    std::string error;
    ASSERT_TRUE(values.parse("", error));
    EXPECT_EQ(values.json(), "{}");
}

TEST(ConfigValues, refuses_what_is_not_json) {
    const std::string deep(100, '[');
    for (std::string text : {std::string("{"),
                             std::string("{\"a\"}"),
                             std::string("{\"a\":}"),
                             std::string("{\"a\":1,}"),
                             std::string("{a:1}"),
                             std::string("{\"a\":01}"),
                             std::string("{\"a\":1.}"),
                             std::string("{\"a\":-}"),
                             std::string("{\"a\":1e}"),
                             std::string("{\"a\":\"\n\"}"),
                             std::string("{\"a\":\"\\x\"}"),
                             std::string("{\"a\":\"\\u12\"}"),
                             std::string("{\"a\":\"\\ud800\"}"),
                             std::string("{\"a\":\"\\udc00\"}"),
                             std::string("{\"a\":\"x}"),
                             std::string("{} x"),
                             std::string("[1]"),
                             std::string("1"),
                             std::string("{\"a\":tru}"),
                             "{\"a\":" + deep}) {
        ConfigValues values;
        std::string error;
        EXPECT_FALSE(values.parse(text, error)) << text;
        EXPECT_FALSE(error.empty());
    }
}

}  // namespace
}  // namespace ringtime::hook
