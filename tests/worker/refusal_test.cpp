// Where the kernel refuses something in the middle of a worker's life: these calls are answered
// here, before the C library.
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "harness.h"

namespace {

struct {
    bool watches = false;
    bool descriptors = false;
    unsigned times = 0;
} refused;

}  // namespace

extern "C" int epoll_ctl(int epoll, int what, int fd, epoll_event* event) noexcept {
    if (!refused.watches || what != EPOLL_CTL_ADD)
        return static_cast<int>(syscall(SYS_epoll_ctl, epoll, what, fd, event));
    ++refused.times;
    errno = ENOSPC;
    return -1;
}

extern "C" ssize_t sendmsg(int fd, const msghdr* message, int flags) {
    if (!refused.descriptors || message->msg_controllen == 0)
        return syscall(SYS_sendmsg, fd, message, flags);
    ++refused.times;
    errno = EAGAIN;
    return -1;
}

namespace ringtime::worker::test {
namespace {

class Refusal : public testing::Test {
  protected:
    void SetUp() override { refused = {}; }
    void TearDown() override { refused = {}; }
};

TEST_F(Refusal, nothing_at_all_can_be_watched) {
    refused.watches = true;
    Supervisor supervisor{SupervisorOptions{}};
    std::string problem;
    EXPECT_FALSE(supervisor.start({}, problem));
    EXPECT_NE(problem.find("fs.epoll.max_user_watches"), std::string::npos) << problem;
}

TEST_F(Refusal, a_worker_that_cannot_be_watched_is_a_failed_start) {
    AppSpec app = plain_app();
    app.workers_max = 1;  // Another one that is there would do.
    World world({app}, [](SupervisorOptions& options) { options.restart_first_ms = 1; });
    auto first = static_cast<pid_t>(std::stol(world.fetch(World::request("/pid"))->received));
    refused.watches = true;
    kill(first, SIGKILL);
    ASSERT_TRUE(world.until([&] { return world.supervisor().counters().start_failures > 0; }));
    EXPECT_GT(refused.times, 0U);
    EXPECT_NE(world.supervisor().problem_of(0).find("cannot be watched"), std::string::npos);
    refused.watches = false;
    EXPECT_EQ(world.fetch(World::request("/hello"))->received, "hello\n");
}

TEST_F(Refusal, memory_a_worker_does_not_take_is_not_made_again_and_again) {
    World world({plain_app()});
    refused.descriptors = true;
    ASSERT_TRUE(world.until([&] { return refused.times > 0; }));
    Nanoseconds began = monotonic_now();
    world.run_for(300);
    auto seconds = static_cast<unsigned>((monotonic_now() - began) / kNanosecondsPerSecond);
    EXPECT_LE(refused.times, 2 + seconds);
    refused.descriptors = false;
    EXPECT_EQ(world.fetch(World::request("/hello"))->received, "hello\n");
}

}  // namespace
}  // namespace ringtime::worker::test
