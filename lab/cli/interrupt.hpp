// Ctrl-C while a command works: asked for politely the first time, at once the second.
#pragma once

namespace ticklab::lab {

/// Watches SIGINT for as long as it stands. One at a time.
class InterruptWatch {
public:
    InterruptWatch();
    ~InterruptWatch();
    InterruptWatch(const InterruptWatch&) = delete;
    InterruptWatch& operator=(const InterruptWatch&) = delete;

    /// Whether the user asked to end. Any thread.
    static bool interrupted();
};

}  // namespace ticklab::lab
