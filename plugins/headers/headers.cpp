// Sets and removes fields of requests and responses as its manifest says: security headers on every
// answer, a marker for every upstream. The lines are taken apart once, at init.

#include <ringtime/plugin.hpp>

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

class Headers {
 public:
    explicit Headers(ringtime::Context& context)
        : on_request_(lines(context, "setOnRequest")),
          on_response_(lines(context, "setOnResponse")) {
        for (std::string_view name : context.strings("removeFromResponse"))
            removed_.emplace_back(name);
    }

    ringtime::Verdict on_request(ringtime::Request& request) const {
        for (const auto& [name, value] : on_request_) {
            if (!request.set(name, value)) return ringtime::Verdict::failed;
        }
        return ringtime::Verdict::next;
    }

    ringtime::Verdict on_response(ringtime::Request&, ringtime::Response& response) const {
        for (const std::string& name : removed_) response.fields().remove(name);
        for (const auto& [name, value] : on_response_) {
            if (!response.set(name, value)) return ringtime::Verdict::failed;
        }
        return ringtime::Verdict::next;
    }

 private:
    using Lines = std::vector<std::pair<std::string, std::string>>;

    static Lines lines(const ringtime::Context& context, std::string_view key) {
        Lines out;
        for (std::string_view line : context.strings(key)) {
            size_t colon = line.find(':');
            if (colon == 0 || colon == line.npos)
                throw std::invalid_argument(std::string(key) + ": \"" + std::string(line) +
                                            "\" is not of the form `name: value`");
            size_t value = line.find_first_not_of(' ', colon + 1);
            out.emplace_back(line.substr(0, colon),
                             value == line.npos ? std::string_view{} : line.substr(value));
        }
        return out;
    }

    Lines on_request_;
    Lines on_response_;
    std::vector<std::string> removed_;
};

}  // namespace

RINGTIME_PLUGIN(Headers)
