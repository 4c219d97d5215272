#include "runtime/api_table.h"

#include <gtest/gtest.h>
#include <simdjson.h>
#include <stdlib.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <set>
#include <string>

#include "config/packages.h"
#include "runtime/api.h"

namespace ringtime::runtime {
namespace {

using exchange::ApiAdmission;
using exchange::ApiQuestion;
using exchange::ApiRequest;
using exchange::Entrance;
using exchange::Role;
using http::Method;

TEST(ApiTable, head_is_answered_as_get_and_other_methods_are_named) {
    auto get = find_endpoint(Method::get, "/status");
    ASSERT_TRUE(get.endpoint);
    EXPECT_EQ(find_endpoint(Method::head, "/status").endpoint, get.endpoint);
    auto put = find_endpoint(Method::put, "/keys");
    EXPECT_FALSE(put.endpoint);
    EXPECT_EQ(put.allowed, http::method_bit(Method::get) | http::method_bit(Method::head) |
                               http::method_bit(Method::post));
    EXPECT_EQ(find_endpoint(Method::get, "/nothing").allowed, 0);
    EXPECT_EQ(find_endpoint(Method::get, "/").allowed, 0);
}

TEST(ApiTable, what_changes_state_is_not_for_viewers) {
    for (const ApiEndpoint& endpoint : api_endpoints()) {
        EXPECT_NE(endpoint.role, Role::none) << endpoint.pattern;
        if (endpoint.method != Method::get) {
            EXPECT_GE(endpoint.role, Role::editor) << endpoint.pattern;
        }
    }
}

// Every row is in the description and the description has nothing else.
TEST(ApiTable, the_description_is_the_table) {
    simdjson::dom::parser parser;
    std::string text = openapi_json("/_/api");
    simdjson::dom::element root;
    ASSERT_FALSE(parser.parse(text).get(root));
    EXPECT_EQ(std::string_view(root["servers"].at(0)["url"]), "/_/api");
    std::set<std::string> described;
    std::set<std::string> ids;
    for (auto [path, methods] : simdjson::dom::object(root["paths"])) {
        for (auto [method, operation] : simdjson::dom::object(methods)) {
            described.insert(std::string(method) + " " + std::string(path));
            ids.insert(std::string(std::string_view(operation["operationId"])));
        }
    }
    std::set<std::string> rows;
    for (const ApiEndpoint& endpoint : api_endpoints()) {
        std::string method(http::method_name(endpoint.method));
        std::transform(method.begin(), method.end(), method.begin(),
                       [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        rows.insert(method + " " + std::string(endpoint.pattern));
    }
    EXPECT_EQ(described, rows);
    EXPECT_EQ(ids.size(), rows.size());
}

struct Read {
    bool good = false;
    ApiArguments arguments;
    std::string problem;
};

Read read(Method method, std::string path, std::string query, std::string_view body) {
    ApiRequest request;
    request.path = std::move(path);
    request.query = std::move(query);
    request.body.append(body);
    const ApiEndpoint& endpoint = api_endpoints()[*find_endpoint(method, request.path).endpoint];
    Read out;
    out.good = read_arguments(endpoint, request, out.arguments, out.problem);
    out.arguments.body = nullptr;
    return out;
}

TEST(ApiArguments, unknown_and_missing_ones_are_named) {
    EXPECT_NE(read(Method::get, "/explain", "method=GET", "").problem.find("'url'"),
              std::string::npos);
    EXPECT_NE(read(Method::get, "/status", "colour=red", "").problem.find("'colour'"),
              std::string::npos);
    EXPECT_FALSE(read(Method::get, "/status", "format=xml", "").good);
    EXPECT_FALSE(read(Method::get, "/status", "", "body").good);
    EXPECT_FALSE(read(Method::get, "/status", "format=%zz", "").good);
    EXPECT_TRUE(read(Method::get, "/status", "format=text", "").arguments.wants_text());
}

TEST(ApiArguments, a_json_body_has_the_fields_of_its_row) {
    auto good = read(Method::post, "/keys", "", R"({"name":"ci","role":"admin"})");
    ASSERT_TRUE(good.good) << good.problem;
    EXPECT_EQ(good.arguments.field("name"), "ci");
    for (const char* body : {"", "[]", "{", "1", R"({"name":"ci"})", R"({"name":1,"role":"admin"})",
                             R"({"name":"ci","role":"admin","more":"x"})"})
        EXPECT_FALSE(read(Method::post, "/keys", "", body).good) << body;
}

TEST(ApiArguments, parameters_of_the_path_are_decoded) {
    auto good = read(Method::delete_, "/keys/a%2Fb%20c", "", "");
    ASSERT_TRUE(good.good) << good.problem;
    EXPECT_EQ(good.arguments.path, std::vector<std::string>{"a/b c"});
    EXPECT_FALSE(read(Method::delete_, "/keys/a%00", "", "").good);
}

// --- Who may ---

class Nothing final : public Control {
 public:
    std::shared_ptr<const Published> live() override { return nullptr; }
    const config::Environment& environment() const noexcept override { return environment_; }
    ReloadReport reload(ReloadKind) override { return {}; }
    void on_main(const std::function<void(worker::Supervisor&)>&) override {}
    std::vector<CoreReport> core_reports() override { return {}; }
    unsigned core_count() const noexcept override { return 0; }

 private:
    config::Environment environment_;
};

class Admission : public testing::Test {
 protected:
    Admission() {
        char name[] = "/tmp/ringtime-admission-XXXXXX";
        folder_ = ::mkdtemp(name);
    }
    ~Admission() override { std::filesystem::remove_all(folder_); }

    std::string make(Role role) {
        ApiKey key;
        std::string problem;
        return *keys_.create("test", role, key, problem);
    }
    [[nodiscard]] ApiQuestion question(Method method, std::string_view path) const {
        ApiQuestion out;
        out.method = method;
        out.path = path;
        out.host = "example.com";
        return out;
    }
    [[nodiscard]] Reason ask(const ApiQuestion& asked) const { return api_.admit(asked).refusal; }

    std::string folder_;
    KeyStore keys_{folder_ + "/keys.json"};
    Nothing gateway_;
    Api api_{gateway_, keys_, "/api"};
};

TEST_F(Admission, without_a_key_only_the_socket_is_answered) {
    ApiQuestion asked = question(Method::get, "/status");
    EXPECT_EQ(ask(asked), Reason::forbidden);
    asked.entrance = Entrance::admin_socket;
    EXPECT_EQ(ask(asked), Reason::none);
    EXPECT_EQ(api_.admit(asked).role, Role::admin);
}

TEST_F(Admission, roles_go_as_far_as_their_rows) {
    std::string viewer = make(Role::viewer), admin = make(Role::admin);
    ApiQuestion asked = question(Method::get, "/keys");
    EXPECT_EQ(ask(asked), Reason::unauthorized);
    asked.api_key = viewer;
    EXPECT_EQ(ask(asked), Reason::forbidden);
    asked.api_key = admin;
    EXPECT_EQ(ask(asked), Reason::none);
    asked = question(Method::get, "/status");
    std::string bearer = "Bearer " + viewer;
    asked.authorization = bearer;
    EXPECT_EQ(ask(asked), Reason::none);
    asked.api_key = "rtk_wrong";
    EXPECT_EQ(ask(asked), Reason::unauthorized);
}

TEST_F(Admission, a_stranger_learns_nothing_of_what_there_is) {
    (void)make(Role::admin);
    EXPECT_EQ(ask(question(Method::get, "/status")), ask(question(Method::get, "/nothing")));
}

TEST_F(Admission, what_changes_state_comes_from_the_own_origin_or_with_a_key) {
    std::string admin = make(Role::admin);
    ApiQuestion asked = question(Method::post, "/keys");
    EXPECT_EQ(ask(asked), Reason::csrf);
    asked.origin = "https://evil.com";
    EXPECT_EQ(ask(asked), Reason::csrf);
    asked.origin = "null";
    EXPECT_EQ(ask(asked), Reason::csrf);
    asked.api_key = "rtk_wrong";
    EXPECT_EQ(ask(asked), Reason::csrf);
    asked.origin = "https://example.com";
    EXPECT_EQ(ask(asked), Reason::unauthorized);
    asked.api_key = admin;
    asked.origin = "https://evil.com";
    EXPECT_EQ(ask(asked), Reason::none);
    asked = question(Method::get, "/keys");
    asked.origin = "https://evil.com";
    EXPECT_EQ(ask(asked), Reason::unauthorized);
}

TEST_F(Admission, bodies_are_bounded_by_what_the_row_takes) {
    ApiQuestion asked = question(Method::post, "/keys");
    asked.entrance = Entrance::admin_socket;
    EXPECT_EQ(api_.admit(asked).body_bytes_max, limits::api_body_bytes_max);
}

}  // namespace
}  // namespace ringtime::runtime
