"""Completes a list of components (CycloneDX) as cargo-cyclonedx made it: components.py LIST FOLDER HLS_VERSION

Adds hls.js, which is in the page of `serve`, and takes out the path of the project's folder."""

import json
import sys

path, folder, hls = sys.argv[1:]
with open(path, encoding="utf-8") as file:
    listed = json.loads(file.read().replace(f"path+file://{folder}#", "").replace(f"path+file://{folder}", ""))
purl = f"pkg:npm/hls.js@{hls}"
listed["components"].append({
    "type": "library", "bom-ref": purl, "name": "hls.js", "version": hls, "scope": "required",
    "licenses": [{"expression": "Apache-2.0"}], "purl": purl,
})
[program] = [entry for entry in listed["dependencies"] if entry["ref"] == listed["metadata"]["component"]["bom-ref"]]
program["dependsOn"].append(purl)
listed["dependencies"].append({"ref": purl})
json.dump(listed, sys.stdout, ensure_ascii=False, indent=1)
print()
