#pragma once
// A body that plugins look at on its way: a source like any other, around the true one. Each piece
// passes their hooks before anybody sees it; one that pauses stops the body, and with it, by the
// windows, whoever sends it. Only exchanges whose chain subscribes to the phase have one in their
// way. Belongs to the exchange.

#include <cstdint>

#include "hook/chain_run.h"
#include "http/body.h"

namespace ringtime::exchange {

class HookedBody final : public http::BodySource {
  public:
    enum class Way : uint8_t { request, response };

    explicit HookedBody(Way way) noexcept : way_(way) {}
    /// Both are borrowed until reset(). Length: what the body's pieces will come to, or
    /// unknown_length when hooks may change that.
    void begin(hook::ChainRun& run, http::BodySource& inner, uint64_t length) noexcept;
    /// Whatever waits for a hook is given back.
    void reset() noexcept;

    [[nodiscard]] http::Pull pull(Piece& out, uint32_t max) noexcept override;
    [[nodiscard]] uint64_t length() const noexcept override { return length_; }
    [[nodiscard]] Error error() const noexcept override { return error_; }

  private:
    enum class State : uint8_t { flowing, at_hooks, ended, failed };

    [[nodiscard]] bool fetch(uint32_t max, http::Pull& instead) noexcept;

    const Way way_;
    State state_ = State::ended;
    hook::BodyPart part_ = hook::BodyPart::more;
    hook::ChainRun* run_ = nullptr;
    http::BodySource* inner_ = nullptr;
    Piece piece_;  ///< At the hooks.
    uint64_t length_ = 0;
    Error error_;
};

}  // namespace ringtime::exchange
