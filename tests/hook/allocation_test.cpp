// A request through a chain allocates nothing in the steady state: pass, edit, answer, static
// answer. Its own program, because it replaces malloc's front door.

#include <atomic>
#include <cstdlib>
#include <new>

#include "support.h"

namespace {
std::atomic<bool> counting{false};
std::atomic<int> allocations{0};

void* counted(std::size_t size) {
    if (counting) ++allocations;
    if (void* memory = std::malloc(size ? size : 1)) return memory;
    throw std::bad_alloc();
}
}  // namespace

void* operator new(std::size_t size) { return counted(size); }
void* operator new[](std::size_t size) { return counted(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace ringtime::hook {
namespace {

TEST_F(HookTest, the_counter_counts) {
    counting = true;
    delete new int(1);
    counting = false;
    EXPECT_GT(allocations.exchange(0), 0);
}

TEST_F(HookTest, no_allocation_per_request) {
    start({spec("pass", "pass"), spec("frozen", "frozen"), spec("quiet", "quiet")});
    for (int round = 0; round < 3; ++round) {
        counting = round > 0;
        EXPECT_EQ(request(), Outcome::answered);
        EXPECT_EQ(respond(200), Outcome::go_on);
        Piece piece;
        while (run.answer().body().pull(piece, 4) == http::Pull::data) piece.release();
        done(200);
        run.end();
        counting = false;
        EXPECT_EQ(exchange.arena.spilled(), 0u);
        exchange.arena.reset();
        exchange.draft.begin(exchange.head.fields);
    }
    EXPECT_EQ(allocations.exchange(0), 0);
}

TEST_F(HookTest, no_copy_of_what_was_received) {
    start({spec("quiet", "quiet")});
    EXPECT_EQ(request(), Outcome::answered);
    // The hook noted where it found the field: it is the received text itself.
    EXPECT_EQ(run.answer().head().fields.value(*run.answer().head().fields.find("x-address")),
              std::to_string(reinterpret_cast<uintptr_t>(
                  exchange.head.fields.get(http::FieldId::user_agent).data())));
}

}  // namespace
}  // namespace ringtime::hook
