#include "runtime/readiness.h"

#include <gtest/gtest.h>

#include <vector>

namespace ringtime::runtime {
namespace {

using Form = exchange::Readiness::Form;

TEST(Readiness, says_nothing_when_all_is_well) {
    EXPECT_EQ(readiness_report({}, Form::text), "");
    EXPECT_EQ(readiness_report({}, Form::json), "");
}

TEST(Readiness, names_what_is_not) {
    const Unready all[] = {{.problem = "starting"},
                           {.kind = "app", .name = "shop", .problem = "no worker is ready"},
                           {.kind = "plugin", .name = "b\"", .version = "1.0.0", .problem = "x"}};
    EXPECT_EQ(readiness_report(all, Form::text),
              "starting\napp shop: no worker is ready\nplugin b\"@1.0.0: x\n");
    EXPECT_EQ(readiness_report(all, Form::json),
              R"({"ready":false,"problems":[{"problem":"starting"},)"
              R"({"app":"shop","problem":"no worker is ready"},)"
              R"({"plugin":"b\"","version":"1.0.0","problem":"x"}]})"
              "\n");
}

TEST(Readiness, counts_what_it_does_not_name) {
    const std::vector<Unready> all(unready_named_max + 2, {.kind = "app", .problem = "x"});
    EXPECT_TRUE(readiness_report(all, Form::text).ends_with("\nand 2 more\n"));
    EXPECT_TRUE(readiness_report(all, Form::json).ends_with("],\"more\":2}\n"));
}

}  // namespace
}  // namespace ringtime::runtime
