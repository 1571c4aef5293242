// The change of a kernel that makes a scenario fail or pass (DESIGN 3).
//
// Rules
//  (1) By version first: of the two ends one fails and the other does not; halving gives two releases side by side.
//  (2) Then among the changes in which these differ: one after the other is toggled, in an order in which what each
//      requires is in force and nothing that conflicts with it, and halving gives the one at which the outcome turns.
//      What cannot be toggled alone is toggled together.
//  (3) A kernel fails if one of the runs fails: with disturbance by a verdict, without it by an expectation too.
//  (4) Where one check is asked for, a kernel that fails by others alone says nothing of it, for a run ends with the
//      first verdict: such kernels are passed over, and what is found may be more than one change.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "ticklab/lab/hunt/hunt.hpp"
#include "ticklab/lab/loader.hpp"

namespace ticklab::lab {

/// What came of a kernel under all seeds.
struct BisectTrial {
    std::string version;
    std::vector<std::string> without, with;  ///< as "kernel" of a scenario has them
    std::string check;                       ///< empty if none failed
    bool passed_over = false;                ///< it failed, and not by the check that was asked for
    std::string message;
    std::uint64_t seed = 0;  ///< under which it failed
    std::uint64_t runs = 0;
    bool failed() const { return !check.empty() && !passed_over; }
};

enum class BisectEnd : std::uint8_t {
    kFound,         ///< a change, or a few that cannot be told apart
    kNoDifference,  ///< both ends fail, or neither does, or all between them is passed over
    kInterrupted,
};

struct Bisection {
    BisectEnd end = BisectEnd::kFound;
    std::vector<BisectTrial> trials;  ///< in the order in which they were made
    /// Releases that differ, side by side but for those that were passed over; both the same if the ends are of one
    /// version.
    std::string before, after;
    bool fails_after = false;
    /// What is toggled where the outcome turns.
    std::vector<const sim::ChangeDecl*> changes;
    bool put_in = false;  ///< the first of them is in force on the side of `after`
};

struct BisectOptions {
    std::string from, to;  ///< versions; empty for the first and last that take the scenario
    std::string check;     ///< the only one that counts; empty for all
    HuntOptions hunt;      ///< seeds and strategy; the first failure that counts ends a trial
};

struct BisectObserver {
    std::function<void(const BisectTrial&)> tried;
    std::function<bool()> interrupted;
};

/// Changes that the document itself leaves out or puts in stay so at every version. If the versions do not differ, the
/// ends are the version of the document without those lists and with them. Throws std::invalid_argument if a version
/// that was asked for does not take the scenario.
Bisection bisect(const ScenarioLoader& loader, const std::string& file, const nlohmann::json& document,
                 const Scenario& scenario, const BisectOptions& options, const BisectObserver& observer);

}  // namespace ticklab::lab
