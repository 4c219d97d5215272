#pragma once
// Answers of the gateway itself: refusals, failures, /health and the like. Status, a few fields and
// a body in memory that outlives the exchange's use of it.

#include <string_view>

#include "http/body.h"
#include "http/head_builder.h"

namespace ringtime::exchange {

/// What the gateway as such takes (RFC 9110 §10.2.1); single targets may take less.
inline constexpr std::string_view kServedMethods = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

class FixedAnswer final : public http::Answer, public http::BodySource {
 public:
    /// Starts over. Fields are added to the builder; the body is borrowed until it has been sent.
    [[nodiscard]] http::HeadBuilder begin(uint16_t status, const Piece& body) noexcept {
        body_ = body;
        length_ = body.size;
        pulled_ = false;
        return http::HeadBuilder(head_, status, text_, sizeof text_);
    }

    [[nodiscard]] Phase advance() noexcept override { return Phase::headed; }
    [[nodiscard]] const http::ResponseHead& head() const noexcept override { return head_; }
    [[nodiscard]] http::BodySource& body() noexcept override { return *this; }
    [[nodiscard]] http::BodySink* request_body() noexcept override { return nullptr; }
    [[nodiscard]] Error error() const noexcept override { return {}; }
    void release() noexcept override {
        if (!pulled_) body_.release();
        pulled_ = true;
    }

    [[nodiscard]] http::Pull pull(Piece& out, uint32_t) noexcept override {
        if (pulled_ || body_.size == 0) return http::Pull::end;
        pulled_ = true;
        out = body_;
        return http::Pull::data;
    }
    [[nodiscard]] uint64_t length() const noexcept override { return length_; }

 private:
    static constexpr size_t kTextBytes = 1024;

    http::ResponseHead head_;
    Piece body_;
    uint64_t length_ = 0;
    bool pulled_ = true;
    char text_[kTextBytes];
};

}  // namespace ringtime::exchange
