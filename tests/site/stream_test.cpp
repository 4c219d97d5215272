// Files that are not held in memory.

#include <gmock/gmock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>

#include "fixture.h"

namespace ringtime::site {
namespace {

std::string noise(size_t size, unsigned seed) {
    std::mt19937_64 random(seed);
    std::string bytes(size, '\0');
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word = random();
        std::memcpy(bytes.data() + i, &word, std::min<size_t>(8, size - i));
    }
    return bytes;
}

/// Without it (before Linux 6.5) nobody can tell what of a file lies in memory.
bool has_cachestat() {
    constexpr long kCacheStat = 451;
    return ::syscall(kCacheStat, -1, nullptr, nullptr, 0U) == 0 || errno != ENOSYS;
}

class StreamTest : public SiteTest {
 protected:
    StreamTest() {
        if (!ring_) return;
        streaming_.memory_file_bytes = 4096;
        open_cache(streaming_);
        folder_.write("large.bin", large_);
    }

    CacheOptions streaming_;
    const std::string large_ = noise(3 * 1024 * 1024 + 777, 1);
};

TEST_F(StreamTest, sends_every_byte_in_order) {
    Site site(options());
    for (uint64_t window : {uint64_t{1000}, uint64_t{65536}, uint64_t{1} << 20}) {
        auto answer = begin(site, "/large.bin");
        answer->window = window;
        answer->finish();
        EXPECT_EQ(answer->status(), 200);
        EXPECT_EQ(answer->field("content-length"), std::to_string(large_.size()));
        EXPECT_TRUE(answer->body == large_);
    }
    EXPECT_EQ(cache_->counters().lookups, 1U);
    EXPECT_EQ(cache_->counters().open_files, 1U);
}

TEST_F(StreamTest, what_lies_in_memory_is_for_the_kernel_to_send_but_the_end) {
    if (!has_cachestat()) GTEST_SKIP() << "this kernel has no cachestat(2)";
    Site site(options());
    fetch(site, "/large.bin");
    for (uint64_t at_once : {uint64_t{10'000}, uint64_t{300'000}, uint64_t{1} << 30}) {
        uint64_t most = 0;
        // The kernel may move or drop a page at any time: what followed it was read then.
        for (int attempt = 0; attempt < 20 && most <= large_.size() - 200'000; ++attempt) {
            auto answer = begin(site, "/large.bin");
            answer->file_bytes = at_once;
            answer->finish();
            EXPECT_TRUE(answer->body == large_);
            EXPECT_LE(answer->sent_from_file, large_.size() - limits::last_read_bytes);
            most = std::max(most, answer->sent_from_file);
        }
        EXPECT_GT(most, large_.size() - 200'000);
    }
}

TEST_F(StreamTest, waits_for_a_slow_reader_with_two_buffers) {
    Site site(options());
    auto answer = begin(site, "/large.bin");
    answer->hold = true;
    auto turn = [&] {
        answer->pump();
        reactor_->turn(kNanosecondsPerMillisecond);
    };
    for (int i = 0; i < 60'000 && answer->received < 2 * limits::stream_buffer_bytes; ++i) turn();
    for (int i = 0; i < 50; ++i) turn();  // And no more than that.
    EXPECT_EQ(answer->received, 2 * limits::stream_buffer_bytes);
    answer->hold = false;
    answer->drop_pieces();
    answer->finish();
    EXPECT_TRUE(answer->body == large_);
}

TEST_F(StreamTest, many_streams_share_few_buffers) {
    streaming_.stream_buffers = 4;
    open_cache(streaming_);
    Site site(options());
    std::vector<std::unique_ptr<Fetch>> answers;
    for (int i = 0; i < 30; ++i) answers.push_back(begin(site, "/large.bin"));
    for (int turn = 0; turn < 20000; ++turn) {
        reactor_->turn(kNanosecondsPerMillisecond);
        // Every fifth goes away in the middle, one of them while it waits for a buffer.
        if (turn == 3) answers[0]->end();
        if (turn == 10) {
            for (size_t i = 5; i < answers.size(); i += 5) answers[i]->end();
        }
        bool over = turn > 10;
        for (size_t i = 0; i < answers.size(); ++i) over = over && (i % 5 == 0 || answers[i]->over);
        if (over) break;
    }
    for (size_t i = 0; i < answers.size(); ++i) {
        if (i % 5 == 0) continue;
        EXPECT_TRUE(answers[i]->over && answers[i]->body == large_) << i;
    }
    EXPECT_GT(cache_->counters().starved, 0U);
}

TEST_F(StreamTest, ranges_equal_the_file) {
    Site site(options());
    std::mt19937_64 random(7);
    for (int i = 0; i < 60; ++i) {
        uint64_t a = random() % large_.size();
        uint64_t b = a + random() % (i % 2 ? 5000 : large_.size() - a);
        b = std::min<uint64_t>(b, large_.size() - 1);
        auto answer = fetch(site, "/large.bin",
                            {{"range", "bytes=" + std::to_string(a) + "-" + std::to_string(b)}});
        ASSERT_EQ(answer->status(), 206);
        ASSERT_TRUE(answer->body == large_.substr(a, b - a + 1)) << a << "-" << b;
    }
    auto parts = fetch(site, "/large.bin", {{"range", "bytes=1000000-1299999, 5-9, -200000"}});
    EXPECT_EQ(parts->status(), 206);
    EXPECT_EQ(parts->field("content-length"), std::to_string(parts->body.size()));
    EXPECT_THAT(parts->body, testing::HasSubstr(large_.substr(1000000, 300000)));
    EXPECT_THAT(parts->body, testing::HasSubstr("\r\n\r\n" + large_.substr(5, 5) + "\r\n--"));
    EXPECT_THAT(parts->body, testing::HasSubstr(large_.substr(large_.size() - 200000)));
}

TEST_F(StreamTest, files_beyond_32_bits) {
    folder_.write("sparse.bin", "");
    uint64_t size = (uint64_t{5} << 30) + 3;
    std::filesystem::resize_file(folder_.path("sparse.bin"), size);
    {
        std::fstream file(folder_.path("sparse.bin"),
                          std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(static_cast<std::streamoff>(size - 5));
        file << "WORLD";
    }
    Site site(options());
    auto tail = fetch(site, "/sparse.bin", {{"range", "bytes=-6"}});
    EXPECT_EQ(tail->body, std::string(1, '\0') + "WORLD");
    EXPECT_EQ(tail->field("content-range"), "bytes 5368709117-5368709122/5368709123");
    auto middle = fetch(site, "/sparse.bin", {{"range", "bytes=4294967290-4294967299"}});
    EXPECT_EQ(middle->body, std::string(10, '\0'));
    auto whole = begin(site, "/sparse.bin");
    whole->keep_body = false;
    whole->paused = true;
    while (whole->received < (8 << 20)) {
        whole->pump(1 << 20);
        reactor_->turn(kNanosecondsPerMillisecond);
    }
    EXPECT_EQ(whole->answer().length(), size);
    EXPECT_EQ(fetch(site, "/sparse.bin", {}, http::Method::head)->field("content-length"),
              "5368709123");
}

TEST_F(StreamTest, a_file_cut_short_fails_visibly) {
    Site site(options());
    auto answer = begin(site, "/large.bin");
    answer->paused = true;
    while (answer->received < 300000) {
        answer->pump(100000);
        reactor_->turn(kNanosecondsPerMillisecond);
    }
    std::filesystem::resize_file(folder_.path("large.bin"), 500000);
    answer->paused = false;
    answer->finish();
    EXPECT_TRUE(answer->failed);
    EXPECT_EQ(answer->answer().body().error().reason, Reason::internal);
    EXPECT_TRUE(large_.starts_with(answer->body));
    EXPECT_EQ(cache_->counters().changed, 1U);
}

TEST_F(StreamTest, a_file_written_to_fails_and_a_replaced_one_goes_on) {
    Site site(options());
    for (unsigned way = 0; way < 4; ++way) {
        bool in_place = way % 2 == 1;
        folder_.replace("large.bin", large_);
        age();
        auto answer = begin(site, "/large.bin");
        answer->file_bytes = way < 2 ? 0 : 50'000;
        answer->paused = true;
        while (answer->received < 300000) {
            answer->pump(100000);
            reactor_->turn(kNanosecondsPerMillisecond);
        }
        if (in_place) {
            std::fstream file(folder_.path("large.bin"), std::ios::in | std::ios::out);
            file.seekp(2000000);
            file << "changed";
        } else {
            folder_.replace("large.bin", large_);
        }
        answer->paused = false;
        answer->finish();
        EXPECT_EQ(answer->failed, in_place);
        if (!in_place) { EXPECT_TRUE(answer->body == large_); }
        age();
    }
}

TEST_F(StreamTest, goes_away_while_the_kernel_reads) {
    Site site(options());
    for (int i = 0; i < 50; ++i) {
        auto answer = begin(site, "/large.bin");
        answer->hold = i % 2;
        answer->pump();
        if (i > 0) reactor_->turn(0);
        answer->pump();
        if (answer->hold && !answer->pieces.empty()) {
            // The pieces are still on their way when the exchange is over.
            auto pieces = std::exchange(answer->pieces, {});
            answer->end();
            reactor_->turn(0);
            EXPECT_TRUE(large_.starts_with(pieces[0].view()));
            for (const Piece& piece : pieces) piece.release();
        }
    }
}

}  // namespace
}  // namespace ringtime::site
