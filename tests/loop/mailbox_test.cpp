// The mailbox of a core, with as many threads as write to it. Run under ThreadSanitizer too.

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "base/limits.h"
#include "loop/mailbox.h"

namespace ringtime::loop {
namespace {

void ignore(void*, uint64_t) noexcept {}

TEST(Mailbox, keeps_the_order_of_one_sender_and_refuses_when_full) {
    Mailbox mailbox;
    Message message;
    EXPECT_TRUE(mailbox.empty());
    EXPECT_FALSE(mailbox.pop(message));
    for (uint64_t round = 0; round < 3; ++round) {
        for (uint64_t i = 0; i < limits::mailbox_entries; ++i)
            ASSERT_TRUE(mailbox.push({&ignore, nullptr, i}));
        EXPECT_FALSE(mailbox.push({&ignore, nullptr, 0}));
        EXPECT_FALSE(mailbox.empty());
        for (uint64_t i = 0; i < limits::mailbox_entries; ++i) {
            ASSERT_TRUE(mailbox.pop(message));
            ASSERT_EQ(message.value, i);
        }
        EXPECT_FALSE(mailbox.pop(message));
    }
}

TEST(Mailbox, one_free_place_takes_exactly_one_message) {
    Mailbox mailbox;
    for (uint64_t i = 0; i < limits::mailbox_entries; ++i)
        ASSERT_TRUE(mailbox.push({&ignore, nullptr, i}));
    Message message;
    ASSERT_TRUE(mailbox.pop(message));
    EXPECT_TRUE(mailbox.push({&ignore, nullptr, limits::mailbox_entries}));
    EXPECT_FALSE(mailbox.push({&ignore, nullptr, 0}));
    for (uint64_t i = 1; i <= limits::mailbox_entries; ++i) {
        ASSERT_TRUE(mailbox.pop(message));
        ASSERT_EQ(message.value, i);
    }
}

TEST(Mailbox, loses_and_repeats_nothing_with_many_senders) {
    constexpr uint64_t kSenders = 4;
    constexpr uint64_t kMessages = 50'000;
    Mailbox mailbox;
    std::vector<std::thread> senders;
    // What a message points at must be visible to whoever pops it.
    std::vector<std::vector<uint64_t>> payloads(kSenders, std::vector<uint64_t>(kMessages));
    for (uint64_t sender = 0; sender < kSenders; ++sender) {
        senders.emplace_back([&, sender] {
            for (uint64_t i = 0; i < kMessages; ++i) {
                uint64_t& payload = payloads[sender][i];
                payload = sender * kMessages + i;
                while (!mailbox.push({&ignore, &payload, sender})) std::this_thread::yield();
            }
        });
    }
    std::vector<uint64_t> next(kSenders);
    for (uint64_t taken = 0; taken < kSenders * kMessages;) {
        Message message;
        if (!mailbox.pop(message)) {
            std::this_thread::yield();
            continue;
        }
        const uint64_t sender = message.value;
        ASSERT_EQ(*static_cast<uint64_t*>(message.context), sender * kMessages + next[sender]);
        ++next[sender];
        ++taken;
    }
    for (std::thread& thread : senders) thread.join();
    EXPECT_TRUE(mailbox.empty());
}

}  // namespace
}  // namespace ringtime::loop
