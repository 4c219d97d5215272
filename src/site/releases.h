#pragma once
// The releases of one site, known to all cores together. A core that meets the site first after a
// switch knows of the release before, whose pages another core has sent; and once one core has
// answered from the new release, none answers from the old one. Asked by a request: one relaxed
// look at a counter. The rest is done when a folder was opened, once a second at most.

#include <atomic>
#include <cstdint>
// tidy: allow(data-path) taken once a second by a core that has opened the folder, never to answer
#include <mutex>

#include "base/clock.h"
#include "site/content.h"

namespace ringtime::site {

class Releases {
 public:
    Releases() = default;
    Releases(const Releases&) = delete;
    Releases& operator=(const Releases&) = delete;
    ~Releases();

    /// Rises with every switch; what was learned under another count may be out of date.
    [[nodiscard]] uint64_t now() const noexcept { return count_.load(std::memory_order_acquire); }

    /// A core serves the site from now on, or no longer. Folders are held open while one does.
    void enter() noexcept;
    void leave() noexcept;

    /// The path was opened when now() was `asked`, and led to `folder` (still the caller's) with
    /// these facts. Returns the count the caller knows now; when that is not now(), others know
    /// better and it opens the path again.
    [[nodiscard]] uint64_t opened(uint64_t asked, int folder, const FileFacts& facts,
                                  Nanoseconds at) noexcept;

    /// A descriptor, the caller's, of the folder before the last switch; -1 when there is none, or
    /// its time is over (ages::release_overlap_ms).
    [[nodiscard]] int before(Nanoseconds at) noexcept;

 private:
    struct Held {
        int fd = -1;
        uint64_t device = 0;
        uint64_t inode = 0;
    };
    static void close(Held& held) noexcept;
    void drop_if_old(Nanoseconds at) noexcept;

    std::atomic<uint64_t> count_{1};
    // tidy: allow(data-path) as above
    std::mutex mutex_;  ///< Guards what follows.
    unsigned users_ = 0;
    Held current_;
    Held previous_;
    Nanoseconds switched_at_ = 0;
};

}  // namespace ringtime::site
