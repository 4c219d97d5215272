#include "exchange/peer_counts.h"

#include <sys/random.h>

#include <bit>
#include <cstring>

#include "base/assert.h"
#include "base/clock.h"
#include "base/scramble.h"

namespace ringtime::exchange {
namespace {

// Buckets are a quarter full on average: then one in 5,000 has no room.
constexpr size_t kWordsPerPeer = 4;

}  // namespace

PeerCounts::PeerCounts(size_t peers)
    : buckets_(std::bit_ceil(peers * kWordsPerPeer / bucket_words + 1)) {
    if (::getrandom(key_, sizeof key_, 0) != sizeof key_) {
        key_[0] = scramble(monotonic_now());
        key_[1] = scramble(reinterpret_cast<uint64_t>(this));
    }
    // Zeroed memory is words with a count of 0.
    words_.reset(static_cast<Word*>(std::calloc(buckets_ * bucket_words, sizeof(Word))));
    ASSERT(words_);
}

uint64_t PeerCounts::hash(const net::PeerAddress& peer) const noexcept {
    uint64_t address = 0;
    std::memcpy(&address, peer.bytes, peer.family == AF_INET ? 4 : 8);
    return scramble(scramble(address ^ key_[0]) + key_[1] + peer.family);
}

// One more on the word of the peer, or on a free one. Two cores that do this for a new peer at once
// may take two words: hence the sum.
bool PeerCounts::add_to(Word* bucket, uint64_t mark, size_t& index) noexcept {
    for (;;) {
        size_t found = bucket_words;
        uint64_t value = 0;
        for (size_t i = 0; i < bucket_words; ++i) {
            uint64_t word = bucket[i].load(std::memory_order_relaxed);
            bool counts = (word & count_mask) != 0;
            if (counts && (word & ~count_mask) != mark) continue;
            found = i;
            value = word;
            if (counts) break;
        }
        if (found == bucket_words) return false;
        uint64_t more = (value & count_mask) != 0 ? value + 1 : mark + 1;
        if (!bucket[found].compare_exchange_weak(value, more, std::memory_order_relaxed)) continue;
        index = found;
        return true;
    }
}

uint64_t PeerCounts::sum(const Word* bucket, uint64_t mark) noexcept {
    uint64_t count = 0;
    for (size_t i = 0; i < bucket_words; ++i) {
        uint64_t word = bucket[i].load(std::memory_order_relaxed);
        if ((word & ~count_mask) == mark) count += word & count_mask;
    }
    return count;
}

bool PeerCounts::enter(const net::PeerAddress& peer, uint64_t limit, uint32_t& place) noexcept {
    place = uncounted;
    if (peer.family != AF_INET && peer.family != AF_INET6) return true;
    uint64_t value = hash(peer);
    uint64_t mark = value & ~count_mask;
    size_t first = (value & (buckets_ - 1)) * bucket_words;
    size_t index = 0;
    if (!add_to(&words_[first], mark, index)) return true;
    place = static_cast<uint32_t>(first + index);
    // Counted first, looked at then: two that come at once may both be refused, never both let in.
    if (sum(&words_[first], mark) <= limit) return true;
    leave(place);
    place = uncounted;
    return false;
}

void PeerCounts::leave(uint32_t place) noexcept {
    if (place == uncounted) return;
    uint64_t before = words_[place].fetch_sub(1, std::memory_order_relaxed);
    ASSERT((before & count_mask) != 0);
}

}  // namespace ringtime::exchange
