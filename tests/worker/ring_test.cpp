// The wire by itself: the rings' protocol, the arena, the heads.
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "ringtime/worker_abi.h"
#include "worker/heads.h"

namespace ringtime::worker {
namespace {

struct Rings {
    std::unique_ptr<rtw_region> a = std::make_unique<rtw_region>();
    std::unique_ptr<rtw_region> b = std::make_unique<rtw_region>();
    Rings() {
        std::memset(a.get(), 0, sizeof(rtw_region));
        std::memset(b.get(), 0, sizeof(rtw_region));
    }
    rtw_producer producer() { return {a.get(), b.get(), 0, 0, 0}; }
    rtw_consumer consumer() { return {a.get(), b.get(), 0, 0}; }
};

TEST(Ring, fills_up_and_empties_in_order) {
    Rings rings;
    rtw_producer producer = rings.producer();
    rtw_consumer consumer = rings.consumer();
    uint32_t next_put = 0;
    uint32_t next_taken = 0;
    for (int round = 0; round < 1000; ++round) {
        for (; rtw_room(&producer) > 0; ++next_put) {
            rtw_desc desc{.kind = RTW_BODY, .exchange = next_put};
            rtw_put(&producer, &desc);
        }
        EXPECT_EQ(rtw_available(&consumer), 0U) << "seen before it was published";
        rtw_publish(&producer);
        EXPECT_EQ(rtw_room(&producer), 0U);
        for (uint32_t left = rtw_available(&consumer); left; --left, ++next_taken) {
            rtw_desc desc;
            rtw_take(&consumer, &desc);
            ASSERT_EQ(desc.exchange, next_taken);
        }
        rtw_release(&consumer);
    }
    EXPECT_EQ(next_taken, 1000 * RTW_RING_ENTRIES);
}

TEST(Ring, a_made_up_position_of_the_consumer_gives_no_room) {
    Rings rings;
    rtw_producer producer = rings.producer();
    rtw_desc desc{};
    for (uint32_t i = 0; i < RTW_RING_ENTRIES; ++i) rtw_put(&producer, &desc);
    rtw_publish(&producer);
    for (uint32_t made_up : {RTW_RING_ENTRIES + 1, 1'000'000U, UINT32_MAX, 0x80000000U}) {
        rings.b->head = made_up;
        EXPECT_EQ(rtw_room(&producer), 0U) << made_up;
    }
    rings.b->head = 7;
    EXPECT_EQ(rtw_room(&producer), 7U);
    rings.b->head = 3;  // It cannot go back.
    EXPECT_EQ(rtw_room(&producer), 7U);
}

// Two threads that sleep on each other: a lost wake-up would stop them for good. Sleeping is
// waiting for the bell alone: as deaf as a system call, but cheap, so that it happens often.
class Sleeper {
  public:
    void ring() { bell_.fetch_add(1, std::memory_order_release); }
    void wait() {
        for (unsigned tries = 1; bell_.load(std::memory_order_acquire) == seen_; ++tries)
            if (tries % 1024 == 0) std::this_thread::yield();
        seen_ = bell_.load(std::memory_order_acquire);
    }

  private:
    alignas(128) std::atomic<uint32_t> bell_{0};
    alignas(128) uint32_t seen_ = 0;
};

void delay(std::mt19937& random) {
    for (auto i = random() % 256; i > 0; --i) std::atomic_signal_fence(std::memory_order_seq_cst);
}

// One side: sends in bursts, never more than four ahead of what it has heard, so that both keep
// falling asleep. Ends when told, or when it has heard enough.
struct Side {
    rtw_region* own;
    rtw_region* peer;
    Sleeper& mine;
    Sleeper& theirs;
    std::atomic<bool>& stop;
    std::atomic<uint32_t> taken{0};

    void run(unsigned seed, uint32_t messages) {
        std::mt19937 random(seed);
        rtw_producer producer{own, peer, 0, 0, 0};
        rtw_consumer consumer{peer, own, 0, 0};
        uint32_t sent = 0;
        while (!stop.load(std::memory_order_relaxed) && taken.load() < messages) {
            for (auto burst = 1 + random() % 4; burst && sent < taken.load() + 4; --burst, ++sent) {
                rtw_desc desc{.kind = RTW_BODY, .exchange = sent};
                rtw_put(&producer, &desc);
            }
            delay(random);
            if (rtw_publish(&producer)) theirs.ring();
            hear(consumer);
            if (sent < taken.load() + 4) continue;
            delay(random);
            rtw_store(&own->wants_wake, 1);
            rtw_full_fence();
            if (rtw_available(&consumer) == 0) mine.wait();
            rtw_store(&own->wants_wake, 0);
        }
        stop = true;
        theirs.ring();
    }

    void hear(rtw_consumer& consumer) {
        for (uint32_t available = rtw_available(&consumer); available; --available) {
            rtw_desc desc;
            rtw_take(&consumer, &desc);
            ASSERT_EQ(desc.exchange, taken.load());
            taken.fetch_add(1);
        }
        rtw_release(&consumer);
    }
};

TEST(Ring, no_wake_up_is_lost_between_two_sleepers) {
    static constexpr uint32_t kMessages = 20'000'000;
    Rings rings;
    Sleeper bell_a;
    Sleeper bell_b;
    std::atomic<bool> stop{false};
    Side a{rings.a.get(), rings.b.get(), bell_a, bell_b, stop};
    Side b{rings.b.get(), rings.a.get(), bell_b, bell_a, stop};
    std::thread first([&] { a.run(1, kMessages); });
    std::thread second([&] { b.run(2, kMessages); });
    // A busy machine may be slow; only standing still, for half a minute, is a failure.
    static constexpr unsigned kStandstill = 3000;
    uint32_t last = 0;
    unsigned still = 0;
    for (int tick = 0; (tick < 300 || still > 0) && !stop.load() && still < kStandstill; ++tick) {
        // tidy: allow(sleep) lets the other side fall asleep; the outcome does not hang on it
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
        uint32_t now = a.taken.load() + b.taken.load();
        still = now == last ? still + 1 : 0;
        last = now;
    }
    EXPECT_LT(still, kStandstill) << "both sides sleep: a wake-up was lost after " << last;
    stop = true;
    bell_a.ring();
    bell_b.ring();
    first.join();
    second.join();
    EXPECT_GT(last + a.taken.load(), 0U);
}

TEST(Arena, slabs_never_overlap_and_the_lowest_is_taken_first) {
    rtw_arena arena;
    rtw_arena_init(&arena, 4 * RTW_BLOCK_BYTES);
    EXPECT_EQ(rtw_arena_take(&arena, 1), 0U);
    EXPECT_EQ(rtw_arena_take(&arena, 4), 4U);
    EXPECT_EQ(rtw_arena_take(&arena, 1), 1U);
    EXPECT_EQ(rtw_arena_take(&arena, 64), 64U);
    rtw_arena_init(&arena, 4 * RTW_BLOCK_BYTES);
    std::mt19937 random(3);
    std::vector<std::pair<uint32_t, uint32_t>> taken;
    std::set<uint32_t> used;
    for (int step = 0; step < 50'000; ++step) {
        uint32_t units = 1U << 2U * static_cast<uint32_t>(random() % 4);
        if (random() % 2) {
            uint32_t slab = rtw_arena_take(&arena, units);
            if (slab == RTW_NO_SLAB) continue;
            ASSERT_EQ(slab % units, 0U);
            for (uint32_t unit = slab; unit < slab + units; ++unit)
                ASSERT_TRUE(used.insert(unit).second);
            ASSERT_LE(slab + units, 256U);
            taken.emplace_back(slab, units);
        } else if (!taken.empty()) {
            size_t index = random() % taken.size();
            auto [slab, size] = taken[index];
            taken[index] = taken.back();
            taken.pop_back();
            rtw_arena_give(&arena, slab, size);
            for (uint32_t unit = slab; unit < slab + size; ++unit) used.erase(unit);
        }
        ASSERT_EQ(arena.free_units, 256 - used.size());
    }
}

// ---- Heads of a hostile worker ----

struct HeadBytes {
    alignas(16) char bytes[4096] = {};
    uint32_t size = 0;

    HeadBytes(uint16_t status, std::vector<std::pair<std::string_view, std::string_view>> fields) {
        rtw_response_head head{.head_bytes = 0,
                               .status = status,
                               .field_count = static_cast<uint16_t>(fields.size()),
                               .body_length = 5};
        size = static_cast<uint32_t>(sizeof head + fields.size() * sizeof(rtw_field));
        for (size_t i = 0; i < fields.size(); ++i) {
            rtw_field field{};
            field.name_offset = put(fields[i].first);
            field.name_size = static_cast<uint16_t>(fields[i].first.size());
            field.value_offset = put(fields[i].second);
            field.value_size = static_cast<uint32_t>(fields[i].second.size());
            std::memcpy(bytes + sizeof head + i * sizeof field, &field, sizeof field);
        }
        head.head_bytes = size;
        std::memcpy(bytes, &head, sizeof head);
    }
    uint32_t put(std::string_view text) {
        uint32_t at = size;
        std::memcpy(bytes + at, text.data(), text.size());
        size += static_cast<uint32_t>(text.size());
        return at;
    }
    bool accepted() const {
        http::ResponseHead head;
        return decode_response_head(bytes, size, head).ok();
    }
};

TEST(ResponseHead, is_read_as_it_was_written) {
    HeadBytes source(201, {{"Content-Type", "a/b"}, {"x-one", " padded "}, {"x-empty", ""}});
    http::ResponseHead head;
    auto decoded = decode_response_head(source.bytes, source.size, head);
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(decoded->body_length, 5U);
    EXPECT_EQ(head.status, 201);
    EXPECT_EQ(head.fields.get(http::FieldId::content_type), "a/b");
    EXPECT_EQ(head.fields.value(head.fields[1]), "padded");
    EXPECT_EQ(head.fields.value(head.fields[2]), "");
}

TEST(ResponseHead, refuses_what_would_break_the_client_s_connection) {
    EXPECT_TRUE(HeadBytes(200, {{"a", "b"}}).accepted());
    EXPECT_FALSE(HeadBytes(99, {}).accepted());
    EXPECT_FALSE(HeadBytes(600, {}).accepted());
    for (std::string_view name : {"", "a b", "a:b", "a\r\nb", "Content-Length", "transfer-encoding",
                                  "connection", "keep-alive", "TE", "trailer", "proxy-connection"})
        EXPECT_FALSE(HeadBytes(200, {{name, "1"}}).accepted()) << name;
    for (std::string_view value : {std::string_view("a\r\nb: c"), std::string_view("a\nb"),
                                   std::string_view("a\0b", 3), std::string_view("\x7f")})
        EXPECT_FALSE(HeadBytes(200, {{"a", value}}).accepted()) << value;
}

TEST(ResponseHead, survives_garbage) {
    std::mt19937 random(11);
    HeadBytes original(200,
                       {{"content-type", "text/plain"}, {"x-thing", "value"}, {"etag", "\"1\""}});
    unsigned accepted = 0;
    for (int round = 0; round < 200'000; ++round) {
        HeadBytes source = original;
        for (auto changes = 1 + random() % 4; changes > 0; --changes)
            source.bytes[random() % source.size] = static_cast<char>(random());
        if (random() % 8 == 0)
            source.size = static_cast<uint32_t>(sizeof(rtw_response_head) + random() % 64);
        http::ResponseHead head;
        auto exact = std::make_unique<char[]>(source.size);  // A read past the end is seen.
        std::memcpy(exact.get(), source.bytes, source.size);
        if (!decode_response_head(exact.get(), source.size, head).ok()) continue;
        ++accepted;
        for (unsigned i = 0; i < head.fields.size(); ++i) {
            std::string_view value = head.fields.value(head.fields[i]);
            std::string_view name = head.fields.name(head.fields[i]);
            ASSERT_GE(name.data(), exact.get());
            ASSERT_LE(value.data() + value.size(), exact.get() + source.size);
        }
    }
    EXPECT_GT(accepted, 0U);
}

}  // namespace
}  // namespace ringtime::worker
