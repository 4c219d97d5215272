// A program of the tests: routes, parameters, streams, files, exceptions.
#include <ringtime/worker.hpp>

#include <stdexcept>
using namespace ringtime::worker;

struct Routed {
    Routes routes() {
        Routes routes;
        routes.get("/users/:id/posts/:post", [](const Request& request) {
            return Response::json("{\"id\":\"" + std::string(request.param("id")) +
                                  "\",\"post\":\"" + std::string(request.param("post")) + "\"}");
        });
        routes.post("/echo", [](const Request& request) { return Response::text(request.text()); });
        routes.put("/echo", [](const Request&) { return Response::text("put"); });
        routes.get("/files/*", [](const Request& request) {
            return Response::text(std::string(request.param("*")));
        });
        routes.always("/static", Response::html("<p>always</p>").header("x-kind", "static"));
        routes.file("/none", "/etc/passwd", "text/plain");
        routes.get("/throws",
                   [](const Request&) -> Response { throw std::runtime_error("deliberate"); });
        routes.post("small", [](const Request& request) {  // A slash is understood.
            return Response::text(request.text(4));
        });
        routes.get("taken", [](const Request&) -> Response {
            throw StatusError(409, "somebody has it");
        });
        routes.get("/events", [](const Request&) {
            return Response::events([](Stream& stream) {
                for (int i = 0; i < 3 && stream.write("data: " + std::to_string(i) + "\n\n"); ++i)
                    stream.flush();
            });
        });
        routes.get("/endless", [](const Request&) {
            return Response::events([](Stream& stream) {
                while (stream.write("data: more\n\n")) continue;
            });
        });
        routes.get("/large",
                   [](const Request&) { return Response::text(std::string(1'000'000, 'z')); });
        routes.get("/cookies", [](const Request&) {
            return Response::text("").header("set-cookie", "a=1").header("set-cookie", "b=2");
        });
        routes.get("/framing", [](const Request&) {
            Response response = Response::text("fine");
            for (const char* name : {"content-length", "Transfer-Encoding", "connection", "TE",
                                     "Keep-Alive", "proxy-connection", "Trailer"})
                response.headers.emplace_back(name, "x");
            response.headers.emplace_back("tf", "!#$%&'*+-.^_`|~");
            return response;
        });
        routes.get("/name/*", [](const Request& request) {
            return Response::text("named").header(std::string(request.param("*")), "x");
        });
        return routes;
    }
    Response fetch(const Request& request) {
        return Response::text(std::string(request.header("X-Thing").value_or("nothing")) + " " +
                                  std::string(request.scheme()),
                              418);
    }
    void on_terminate() { std::puts("terminated"); }
};

int main() { return ringtime::serve(Routed{}); }
