// Where the dashboard begins: the frame around every page and the choice of the page by its address.

import { render } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { LocationProvider, Route, Router } from "preact-iso";
import { AutotrainPage } from "./pages/Autotrain";
import { AutotrainRunPage } from "./pages/AutotrainRun";
import { ComparePage } from "./pages/Compare";
import { DatasetPage } from "./pages/Dataset";
import { DatasetsPage } from "./pages/Datasets";
import { JobPage } from "./pages/Job";
import { JobsPage } from "./pages/Jobs";
import { NewJobPage } from "./pages/NewJob";
import { NotFoundPage } from "./pages/NotFound";
import { Header } from "./parts/Header";
import { KeyPrompt } from "./parts/KeyPrompt";
import "./style.css";

function App() {
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  const moved = () => {
    // A reader of the page, by ear or by keyboard, begins anew where the new page begins.
    if (!first.current) main.current?.focus({ preventScroll: true });
    first.current = false;
  };
  useEffect(() => {
    first.current = false;
  }, []);
  return (
    <LocationProvider scope={/^\/($|jobs|autotrain|datasets|compare)/}>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <Header />
      <main id="main" ref={main} tabIndex={-1}>
        <Router onRouteChange={moved}>
          <Route path="/" component={JobsPage} />
          <Route path="/jobs" component={JobsPage} />
          <Route path="/jobs/new" component={NewJobPage} />
          <Route path="/jobs/:id" component={JobPage} />
          <Route path="/autotrain" component={AutotrainPage} />
          <Route path="/autotrain/:id" component={AutotrainRunPage} />
          <Route path="/compare" component={ComparePage} />
          <Route path="/datasets" component={DatasetsPage} />
          <Route path="/datasets/:id" component={DatasetPage} />
          <Route default component={NotFoundPage} />
        </Router>
      </main>
      <KeyPrompt />
    </LocationProvider>
  );
}

const place = document.getElementById("app");
if (place) render(<App />, place);
