// One core and real worker processes: what a request sees.
#include "harness.h"

namespace ringtime::worker::test {
namespace {

TEST(Pool, answers_from_a_worker_process) {
    World world({plain_app()});
    auto client = world.fetch(World::request("/hello"));
    EXPECT_EQ(client->reason(), Reason::none);
    EXPECT_EQ(client->status(), 200);
    EXPECT_EQ(client->received, "hello\n");
    EXPECT_EQ(client->field_text, "content-type: text/plain\n");
}

}  // namespace
}  // namespace ringtime::worker::test
