// A server that answers and closes before it has read the request, on the kernel's ring: sending
// fails before the answer has been looked at.

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string_view>

#include "base/fd.h"
#include "get.h"

namespace ringtime::upstream {
namespace {

constexpr std::string_view kAnswer = "HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno";

struct Upload final : loop::Runnable {
    Upload(OneCore& core, Upstream& upstream) {
        draft.begin(received);
        request.method = "POST";
        request.method_id = http::Method::post;
        request.path = "/";
        request.authority = "up.test";
        request.fields = &draft;
        request.body_length = 1'000'000;
        session = core.pool->send(upstream, request, *this);
    }
    ~Upload() {
        loop::Reactor::forget(static_cast<loop::Runnable&>(*this));
        session->release();
    }
    void run() noexcept override { phase = session->advance(); }

    http::Answer::Phase phase = http::Answer::Phase::waiting;
    http::FieldTable received;
    http::FieldDraft draft;
    UpstreamRequest request;
    Session* session;
};

class EarlyAnswer : public testing::Test {
 protected:
    EarlyAnswer() {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* any = reinterpret_cast<sockaddr*>(&address);
        EXPECT_EQ(::bind(listener.get(), any, size), 0);
        EXPECT_EQ(::listen(listener.get(), 8), 0);
        EXPECT_EQ(::getsockname(listener.get(), any, &size), 0);
        upstream = std::make_shared<Upstream>(one_server(ntohs(address.sin_port)));
        EXPECT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
        EXPECT_EQ(::write(pipe[1], "body", 4), 4);
    }
    ~EarlyAnswer() override {
        turn_until([&] {
            core.pool->drain();
            return core.pool->drained();
        });
        core.pool->leave();
        core.reactor->turn(0);
        ::close(pipe[0]);
        ::close(pipe[1]);
    }
    template <typename Condition> void turn_until(Condition&& condition) {
        Nanoseconds end = monotonic_now() + 60 * kNanosecondsPerSecond;
        while (!condition() && monotonic_now() < end)
            core.reactor->turn(kNanosecondsPerMillisecond);
        EXPECT_TRUE(condition());
    }
    /// What it has not read makes its end a reset.
    void answer_and_close() {
        Fd server(::accept(listener.get(), nullptr, nullptr));
        pollfd polled{server.get(), POLLIN, 0};
        EXPECT_EQ(::poll(&polled, 1, 60'000), 1);
        EXPECT_EQ(::send(server.get(), kAnswer.data(), kAnswer.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(kAnswer.size()));
    }

    Fd listener{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    Handover handover{1};
    OneCore core{0, handover};
    std::shared_ptr<Upstream> upstream;
    int pipe[2];
};

TEST_F(EarlyAnswer, outlives_the_send_that_fails_before_it_was_seen) {
    Upload upload(core, *upstream);
    turn_until([&] { return upload.session->takes_files(); });
    core.reactor->turn(0);  // The head leaves.
    core.reactor->turn(0);
    ASSERT_TRUE(upload.session->takes_files());
    answer_and_close();
    // The core has heard of nothing yet.
    EXPECT_EQ(upload.session->send_file({pipe[0], 0, 4, true}), 0u);
    EXPECT_FALSE(upload.session->takes_files());
    EXPECT_EQ(upload.session->advance(), http::Answer::Phase::waiting);
    turn_until([&] { return upload.phase != http::Answer::Phase::waiting; });
    ASSERT_EQ(upload.phase, http::Answer::Phase::headed);
    EXPECT_EQ(upload.session->head().status, 413);
    Piece piece;
    ASSERT_EQ(upload.session->body().pull(piece, 100), http::Pull::data);
    EXPECT_EQ(piece.view(), "no");
    piece.release();
    EXPECT_EQ(upload.session->body().pull(piece, 100), http::Pull::end);
}

}  // namespace
}  // namespace ringtime::upstream
