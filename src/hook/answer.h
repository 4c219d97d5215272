#pragma once
// What a plugin answers with, as the exchange sees any answer. Embedded in the exchange and used
// again and again: the head lies in the exchange's arena or in a static answer, the body there too,
// or in memory the plugin lent. Nothing is allocated and, for lent and static bytes, nothing is
// copied.

#include <memory>
#include <string>
#include <string_view>

#include "base/arena.h"
#include "hook/abi.h"
#include "http/body.h"
#include "http/head.h"

namespace ringtime::hook {

class LentBytes;

/// An answer prepared at init; lives as long as its plugin, which the exchange's snapshot pins.
class StaticAnswer {
 public:
    /// Null when a line or the status is not valid.
    [[nodiscard]] static std::unique_ptr<StaticAnswer> make(uint16_t status,
                                                            const ringtime_field_line* lines,
                                                            size_t count, ringtime_slice body);

    [[nodiscard]] const http::ResponseHead& head() const noexcept { return head_; }
    [[nodiscard]] std::string_view body() const noexcept { return body_; }

 private:
    StaticAnswer() = default;
    std::string text_;
    std::string body_;
    http::ResponseHead head_;
};

/// Copied bodies of dynamic answers; larger ones are lent.
inline constexpr size_t copied_body_bytes_max = 128 * 1024;

/// What is wrong with an answer that prepare() refused, for the log. Of the body, which may have
/// been given back, only the size is looked at.
[[nodiscard]] std::string refused_answer(uint16_t status, const ringtime_field_line* lines,
                                         size_t count, const ringtime_bytes* body);

class PluginAnswer final : public http::Answer, private http::BodySource {
 public:
    /// Makes a head in `arena` and takes the body. Fails with the status plugins see; the answer
    /// stays as it was and lent bytes are given back.
    [[nodiscard]] ringtime_status prepare(uint16_t status, const ringtime_field_line* lines,
                                          size_t count, const ringtime_bytes* body, Arena& arena,
                                          LentBytes& lent) noexcept;
    void prepare(const StaticAnswer& answer) noexcept;
    /// An error of the gateway's own, in the form of those that exchange makes. False at the
    /// arena's limit.
    struct Refusal {
        uint16_t status;
        std::string_view code;
        std::string_view message;
        ringtime_field_line line{};  ///< One that plugins may not send; or none.
    };
    enum class Form : uint8_t { text, json };
    [[nodiscard]] bool prepare_refusal(const Refusal& refusal, Form form,
                                       std::string_view request_id, Arena& arena) noexcept;
    [[nodiscard]] bool prepared() const noexcept { return shown_ != nullptr; }

    [[nodiscard]] Phase advance() noexcept override { return Phase::headed; }
    /// Precondition: prepared().
    [[nodiscard]] const http::ResponseHead& head() const noexcept override { return *shown_; }
    [[nodiscard]] http::BodySource& body() noexcept override { return *this; }
    [[nodiscard]] http::BodySink* request_body() noexcept override { return nullptr; }
    [[nodiscard]] Error error() const noexcept override { return {}; }
    /// Gives back what was not pulled; the object may be prepared again.
    void release() noexcept override;

 private:
    [[nodiscard]] http::Pull pull(Piece& out, uint32_t max) noexcept override;
    [[nodiscard]] uint64_t length() const noexcept override { return size_; }

    const http::ResponseHead* shown_ = nullptr;
    Piece rest_;          ///< What is left of the body.
    uint64_t size_ = 0;   ///< All of it.
    bool ended_ = false;  ///< The last piece, and the duty to release it, were handed out.
    http::ResponseHead head_;
};

}  // namespace ringtime::hook
