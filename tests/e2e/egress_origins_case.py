"""An EgressCase whose internet has the web servers of egress_origins.py."""

import egress_origins
from egress_case import EgressCase


class OriginsCase(EgressCase):
    requests = egress_origins.Requests
    trusted = False  # whether the daemon knows the origins' authority, and so opens TLS to them

    @classmethod
    def make_internet(cls):
        super().make_internet()
        cls.origins = egress_origins.Origins(cls.world, cls.requests)
        if cls.trusted:
            cls.configuration = f'origin_roots = "{cls.origins.authority.certificate}"\n'

    @classmethod
    def tearDownClass(cls):
        cls.origins.close()
        super().tearDownClass()

    def status_of(self, sandbox, *words):
        """Of the answer that curl gets; 0: none."""
        done = self.run_in(sandbox, "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", *words)
        return int(done.stdout or 0)
