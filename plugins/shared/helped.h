#pragma once
// Answers that take long to make: made on a helper thread while the request waits, because a core
// has thousands of others to serve.
//
//     using Helped = shared::Helped<Made>;
//     Verdict list(Request& request) { return Helped::make(request, [] { return Made{...}; }); }
//     Verdict on_resume(Request& request, uint64_t value) { auto made = Helped::take(value); ... }
//     void on_resume_late(uint64_t value) { (void)Helped::take(value); }

#include <memory>
#include <optional>
#include <utility>

#include <ringtime/plugin.hpp>

namespace shared {

template <typename Made>
class Helped {
 public:
    template <typename Make>
    [[nodiscard]] static ringtime::Verdict make(ringtime::Request& request, Make make) {
        ringtime::Token token = request.pause(std::chrono::seconds(20));
        if (!token) return ringtime::Verdict::failed;
        auto done = [token](std::optional<Made> made) {
            Made* kept = made ? new Made(std::move(*made)) : nullptr;
            if (!token.resume(reinterpret_cast<uint64_t>(kept))) delete kept;
        };
        if (request.on_core().run(std::move(make), done)) return ringtime::Verdict::paused;
        return request.refuse(503, "overload", "Too many pages are being made.",
                              {{"retry-after", "1"}});
    }
    /// What the request was resumed with; null when making it failed.
    [[nodiscard]] static std::unique_ptr<Made> take(uint64_t value) {
        return std::unique_ptr<Made>(reinterpret_cast<Made*>(value));
    }
};

}  // namespace shared
