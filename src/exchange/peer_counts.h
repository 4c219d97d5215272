#pragma once
// How many connections each peer has, on all cores together, for the operator who wants a limit.
// One table of words that cores change without locks. A peer is an IPv4 address or an IPv6 /64,
// which is what one customer is given.
//
// A word holds 40 bits of a keyed hash of the peer and a count. The other bits of the hash choose a
// bucket of eight words; nothing is ever moved, so a word whose count is 0 is free.
// The key is random, so nobody can aim at a bucket; should one be full of other peers all the same,
// the connection is let in uncounted: the limit protects from a peer, not from the crowd.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "net/address.h"

namespace ringtime::exchange {

class PeerCounts {
  public:
    /// What a connection keeps in order to be counted out again.
    static constexpr uint32_t uncounted = UINT32_MAX;

    /// Room for about `peers` different ones. Memory the kernel gives when it is first used.
    explicit PeerCounts(size_t peers);

    /// Counts one more connection of `peer`, unless it has `limit` already: then false. `place` is
    /// for leave(); peers without an address are not counted.
    [[nodiscard]] bool enter(const net::PeerAddress& peer, uint64_t limit,
                             uint32_t& place) noexcept;
    void leave(uint32_t place) noexcept;

  private:
    static constexpr size_t bucket_words = 8;
    static constexpr unsigned count_bits = 24;
    static constexpr uint64_t count_mask = (uint64_t{1} << count_bits) - 1;

    using Word = std::atomic<uint64_t>;
    static_assert(sizeof(Word) == 8 && Word::is_always_lock_free);

    struct Free {
        void operator()(Word* words) const noexcept { std::free(words); }
    };

    [[nodiscard]] uint64_t hash(const net::PeerAddress& peer) const noexcept;
    [[nodiscard]] static bool add_to(Word* bucket, uint64_t mark, size_t& index) noexcept;
    [[nodiscard]] static uint64_t sum(const Word* bucket, uint64_t mark) noexcept;

    size_t buckets_;  ///< A power of two.
    uint64_t key_[2];
    std::unique_ptr<Word[], Free> words_;
};

}  // namespace ringtime::exchange
