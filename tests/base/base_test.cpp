// The building blocks everything else stands on.

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/arena.h"
#include "base/list.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/result.h"
#include "base/slab.h"

namespace ringtime {
namespace {

TEST(Reason, every_reason_has_a_unique_name) {
    std::set<std::string_view> names;
    for (unsigned i = 0; i < static_cast<unsigned>(Reason::count_); ++i) {
        const ReasonInfo& info = describe(static_cast<Reason>(i));
        EXPECT_TRUE(names.insert(info.name).second) << info.name;
        if (info.status != 0) {
            EXPECT_FALSE(info.message.empty()) << info.name;
        }
    }
}

TEST(Reason, out_of_range_values_are_internal) {
    EXPECT_EQ(describe(static_cast<Reason>(250)).name, "internal");
}

Result<int> half(int value) {
    if (value % 2) return Error{Reason::bad_request, Source::client, Retry::no, 0, 7};
    return value / 2;
}

Result<int> quarter(int value) {
    TRY(first, half(value));
    TRY(second, half(first));
    return second;
}

TEST(Result, try_passes_the_value_or_the_error_on) {
    EXPECT_EQ(quarter(8).value(), 2);
    EXPECT_EQ(quarter(6).error().detail, 7u);
    EXPECT_EQ(quarter(6).error().reason, Reason::bad_request);
}

TEST(Arena, spills_beyond_its_block_and_refuses_beyond_its_limit) {
    char block[128];
    Arena arena(block, sizeof block, 40 * 1024);
    EXPECT_EQ(arena.copy("abc"), "abc");
    EXPECT_EQ(arena.spilled(), 0u);
    EXPECT_NE(arena.allocate(1000), nullptr);
    EXPECT_GT(arena.spilled(), 0u);
    EXPECT_EQ(arena.allocate(64 * 1024), nullptr);
    arena.reset();
    EXPECT_EQ(arena.spilled(), 0u);
    auto* aligned = arena.allocate(8, 64);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(aligned) % 64, 0u);
}

TEST(Slab, hands_out_up_to_its_limit_and_reuses_the_last_slot) {
    Slab<std::string> slab(2, 1);
    std::string* first = slab.create("first");
    std::string* second = slab.create("second");
    EXPECT_EQ(slab.create("third"), nullptr);
    EXPECT_EQ(slab.used(), 2u);
    slab.destroy(second);
    EXPECT_EQ(slab.create("fourth"), second);
    slab.destroy(first);
    slab.destroy(second);
    EXPECT_EQ(slab.used(), 0u);
}

struct Item : ListNode {
    explicit Item(int v) : value(v) {}
    int value;
};

TEST(List, keeps_order_and_unlinks_from_the_middle) {
    List<Item> list;
    Item a(1), b(2), c(3);
    list.push_back(a);
    list.push_back(b);
    list.push_front(c);
    b.unlink();
    EXPECT_FALSE(b.linked());
    EXPECT_EQ(list.pop_front()->value, 3);
    EXPECT_EQ(list.pop_front()->value, 1);
    EXPECT_EQ(list.pop_front(), nullptr);
}

TEST(List, splice_moves_everything_in_order) {
    List<Item> from, to;
    Item a(1), b(2), c(3);
    to.push_back(a);
    from.push_back(b);
    from.push_back(c);
    to.splice_back(from);
    EXPECT_TRUE(from.empty());
    for (int expected : {1, 2, 3}) EXPECT_EQ(to.pop_front()->value, expected);
}

TEST(Log, levels_parse_by_name_only) {
    LogLevel level = LogLevel::info;
    EXPECT_TRUE(parse_log_level("warn", level));
    EXPECT_EQ(level, LogLevel::warn);
    EXPECT_FALSE(parse_log_level("WARN", level));
    EXPECT_FALSE(parse_log_level("", level));
}

}  // namespace
}  // namespace ringtime
